"""The site that runs in a browser: it is complete, and what it needs can be had there."""

import base64
import hashlib
import importlib.util
import json
import os
import zipfile
from contextlib import contextmanager
from email.parser import BytesParser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from browser import chromium

ROOT = Path(__file__).resolve().parent.parent
# From the lock file of Pyodide's release, in the npm package "pyodide".
LOCK = json.loads((ROOT / "tests" / "pyodide-lock.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lite():
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("lite", ROOT / "docs" / "lite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(lite, tmp_path_factory):
    kernel = "jupyterlite_pyodide_kernel"
    pytest.importorskip(kernel, reason="JupyterLite is not installed: pip install 'vaelite[lite]'")
    folder = tmp_path_factory.mktemp("site") / "lite"
    lite.build(folder)
    return folder


def wheels(site):
    return {path.name.partition("-")[0]: path for path in (site / "pypi").glob("*.whl")}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def test_the_site_has_the_notebooks_and_each_installs_vaelite_first(site, lite):
    stored = sorted((ROOT / "tutorials").glob("0[0-5]*.ipynb"))
    assert {path.name[:2] for path in stored} >= {"01", "02", "03", "04", "05"}
    for path in stored:
        cells = json.loads((site / "files" / path.name).read_text(encoding="utf-8"))["cells"]
        assert cells[0]["source"] == lite.INSTALL
        assert cells[1:] == json.loads(path.read_text(encoding="utf-8"))["cells"]
    listed = json.loads((site / "api" / "contents" / "all.json").read_text(encoding="utf-8"))
    assert {entry["name"] for entry in listed["content"]} == {path.name for path in stored}


def test_the_wheel_is_whole(site):
    with zipfile.ZipFile(wheels(site)["vaelite"]) as archive:
        names = set(archive.namelist())
    package = ROOT / "vaelite"
    files = {p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert names >= {path.relative_to(ROOT).as_posix() for path in files}


def test_all_requirements_can_be_had_in_the_browser(site):
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    found = {name: metadata(path) for name, path in wheels(site).items()}
    versions = {name: entry["version"] for name, entry in LOCK["packages"].items()}
    versions |= {name: entry["Version"] for name, entry in found.items()}
    for name, entry in found.items():
        assert wheels(site)[name].name.endswith("-none-any.whl")
        assert SpecifierSet(entry["Requires-Python"]).contains(LOCK["info"]["python"])
        for text in entry.get_all("Requires-Dist"):
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert needed.specifier.contains(versions[needed.name]), text


def test_the_versions_are_those_of_the_kernels_pyodide(site):
    from jupyterlite_pyodide_kernel import constants

    page = (ROOT / "docs" / "browser.md").read_text(encoding="utf-8")
    assert f"pyodide-{constants.PYODIDE_VERSION}.tar.bz2" in page
    assert LOCK["pyodide"] == constants.PYODIDE_VERSION
    settings = json.loads((site / "jupyter-lite.json").read_text())["jupyter-config-data"]
    (kernel,) = settings["litePluginSettings"].values()
    assert kernel["disablePyPIFallback"] is True
    indexes = [
        json.loads((site / url.partition("?")[0]).read_text()) for url in kernel["pipliteUrls"]
    ]
    assert set.union(*map(set, indexes)) >= {"vaelite", "autograd"}


@pytest.mark.parametrize("app", ["lab", "notebooks"])
def test_a_notebook_opens(app, site, tmp_path):
    """The page, its text and its pictures; the kernel needs Pyodide, which is elsewhere."""
    with served(site) as home, chromium(tmp_path) as tab:
        tab.call("Page.navigate", url=f"{home}/{app}/index.html?path=00_vae_in_60_lines.ipynb")
        tab.wait("document.querySelectorAll('.jp-Cell').length >= 10", seconds=180)
        assert "A VAE in 60 lines" in tab.run("document.querySelector('.jp-Notebook').innerText")
        tab.wait("document.querySelectorAll('.jp-Cell img').length >= 1")


@contextmanager
def served(folder):
    """The address at which this computer serves a folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


RUN = """(async () => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const { loadPyodide } = await import("/pyodide.mjs");
  const pyodide = await loadPyodide({ indexURL: "/", env: { MPLBACKEND: "agg", HOME: "/home" } });
  await pyodide.loadPackage(%s); // compares their hashes
  for (const wheel of %s) pyodide.unpackArchive(bytes(wheel).buffer, "whl");
  for (const code of %s) await pyodide.runPythonAsync(code);
  return "done";
})().then((text) => (globalThis.ended = text), (error) => (globalThis.ended = String(error)))"""


def run_in_pyodide(folder, packages, wheels, codes, profile, seconds):
    """Run cells of code in Chromium, with Pyodide from a folder; what it ended with."""
    with served(folder) as home, chromium(profile) as tab:
        tab.call("Page.navigate", url=f"{home}/pyodide-lock.json")
        tab.wait("document.readyState === 'complete' && location.protocol === 'http:'")
        content = [base64.b64encode(wheel.read_bytes()).decode() for wheel in wheels]
        tab.run(f"void {RUN % tuple(map(json.dumps, (packages, content, codes)))}")
        tab.wait("globalThis.ended !== undefined", seconds)
        return tab.run("ended")


@pytest.mark.parametrize("number", ["00", "01", "02", "03", "04", "05"])
def test_the_notebooks_run_in_pyodide(number, site, tmp_path):
    """With VAELITE_PYODIDE, a folder with Pyodide's whole distribution."""
    folder = os.environ.get("VAELITE_PYODIDE")
    if folder is None:
        pytest.skip(
            "VAELITE_PYODIDE is not set to a folder with Pyodide's distribution: its wheels of "
            "NumPy, SciPy and Matplotlib are in no package index"
        )
    for entry in LOCK["packages"].values():
        wheel = Path(folder) / entry["file_name"]
        if not wheel.exists():
            pytest.skip(f"{folder} has no {wheel.name}: Pyodide's core alone is not enough")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == entry["sha256"]
    (path,) = (site / "files").glob(f"{number}*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"][1:]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    packages, own = list(LOCK["packages"]), wheels(site).values()
    assert run_in_pyodide(folder, packages, own, codes, tmp_path, 900) == "done"
