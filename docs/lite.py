"""A site in which the first tutorials run in a browser: python docs/lite.py FOLDER

    python -m pip install -e '.[lite]'
    python docs/lite.py docs/_build/html/lite
    python -m http.server --directory docs/_build/html

The folder has JupyterLite, vaelite's wheel, the wheels that it needs and Pyodide does not have,
and the notebooks. Python itself, Pyodide, comes from its public home when a reader opens a
notebook; with ``--pyodide pyodide-314.0.6.tar.bz2`` the site has a copy of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = "0[0-5]*.ipynb"  # the later ones train for minutes in a browser
NOT_IN_PYODIDE = ("autograd>=1.9",)  # of vaelite's requirements; pure Python
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
INSTALL = (
    "# In the browser: installs vaelite from this site. It takes some time, once.\n"
    "%pip install -q vaelite"
)
PIP = sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"


def wheels(folder):
    """Write vaelite's wheel, and those that it needs, to a folder."""
    subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    pure = "--no-deps", "--only-binary", ":all:"
    subprocess.run([*PIP, "download", *pure, "--dest", folder, *NOT_IN_PYODIDE], check=True)
    return sorted(folder.glob("*.whl"))


def notebooks(folder):
    """Write the notebooks to a folder, each with a first cell that installs vaelite."""
    folder.mkdir()
    for path in sorted((ROOT / "tutorials").glob(TUTORIALS)):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cell = {"cell_type": "code", "execution_count": None, "id": "install", "metadata": {}}
        notebook["cells"].insert(0, cell | {"outputs": [], "source": INSTALL})
        (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")


def build(site, pyodide=None):
    """Build the site.

    Parameters
    ----------
    site : path
        Of the folder to write; what is in it is removed.
    pyodide : str, optional
        Path or URL of a Pyodide distribution, a tarball, to put into the site.
    """
    shutil.rmtree(site, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        notebooks(work / "files")
        settings = {KERNEL: {"disablePyPIFallback": True}}  # nothing comes from elsewhere
        config = {"jupyter-lite-schema-version": 0, "jupyter-config-data": {}}
        config["jupyter-config-data"]["litePluginSettings"] = settings
        (work / "jupyter-lite.json").write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-m", "jupyter", "lite", "build"]
        command += ["--apps", "lab", "--apps", "notebooks"]  # the second one also fits on a phone
        command += ["--lite-dir", work, "--output-dir", Path(site).resolve()]
        for wheel in wheels(work / "wheels"):
            command += ["--piplite-wheels", wheel]
        command += ["--pyodide", pyodide] if pyodide else []
        subprocess.run(command, check=True, cwd=work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", metavar="FOLDER")
    parser.add_argument("--pyodide", metavar="TARBALL", help="a distribution to put into the site")
    arguments = parser.parse_args()
    build(arguments.site, arguments.pyodide)
