"""Types: editors know every setting, and a type checker accepts the documentation's code."""

import inspect
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import python_blocks

import vaelite

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tests" / "user_script.py"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "guide").glob("*.md"))
NOT_OURS = {  # what a checker says about the pages, and why
    'attribute "logpmf" for class "rv_continuous_frozen"': "SciPy's types are not exact",
    'missing for parameter "x"': "autograd's check_grads has no types",
    "is obscured by a declaration": "two blocks of a page define one name",
    "is possibly unbound": "a name after a loop",
    'attribute "floor" for class "Likelihood"': "the page knows that it is a Gaussian",
    "latent_dims=": "the page shows this error",
    'attribute "model" for class "RuntimeError"': "a fit adds it to the error of a callback",
}
TYPINGS = "typings/autograd/numpy/__init__.pyi", "from numpy import *\n"  # as a page says
MISTAKES = """
vaelite.fit(X, latent_dmi=2)
vaelite.VAE(bacth_size=3)
vaelite.VAE().fit(X, bacth_size=3)
vaelite.MeanField().fit(X, X_test=X)
vaelite.fit_autoencoder(X, beta=2)
vaelite.VAE(hidden_dim="a")
vaelite.VAE(likelihood="gauss")
vaelite.fit(X, hidden_dim="64")
vaelite.fit(X, likelihood=3)
vaelite.fit(X, kl="analitic")
vaelite.fit(X, stopping="early")
vaelite.fit(X, progress="bars")
vaelite.fit(X, optimizer=0.1)
vaelite.fit(X, max_epochs="3")
vaelite.fit(X, beta=[1, 2])
vaelite.fit(X, rng="a")
vaelite.VAE(learning_rate="fast")
vaelite.Autoencoder(validation_fraction="a tenth")
vaelite.MeanField(local_learning_rate="fast")
vaelite.VAE().latent_dim = "2"
vaelite.fit(X).score(X).encode()
"""
RIGHT = """
from typing import Any

import numpy as np
import vaelite

X, y = vaelite.load_digits()
quick = {"hidden_dim": 64, "stopping": "epochs", "rng": 0}
some: dict[str, Any] = {"max_epochs": 2, "dtype": "float64"}
sizes = {"hidden_dim": 64, "max_epochs": 2}
vaelite.fit(X, hidden_dim=(128, 64), likelihood=vaelite.Gaussian(sigma=0.1), progress="bar")
vaelite.fit(X, hidden_dim=[128, 64], likelihood=vaelite.Gaussian(), dtype=np.float32, **quick)
vaelite.fit(X, **(quick | {"beta": 2.0, "kl": "analytic"}))
vaelite.fit(X, **{**quick, "max_epochs": 3}, dtype="float64")
vaelite.fit_autoencoder(X, **sizes, latent_dim=3)
vaelite.VAE(**some).fit(X)
vaelite.VAE(2, 64, **some, objective=vaelite.NegELBO).fit(X, condition=np.eye(10)[y])
vaelite.Autoencoder(**some, callbacks=[lambda model, state: state.epoch == 3]).fit(X)
vaelite.MeanField(**some, optimizer=vaelite.Adam(1e-3)).fit(X)
vaelite.fit(X, likelihood="continuous_bernoulli", start="network", max_epochs=1)
vae = vaelite.fit(X, X_test=X[:9], condition=None, latent_dim=3)
vae.latent_dim, vae.likelihood = 2, "bernoulli"
mu: np.ndarray = vae.encode(X)[0]
score: float = vae.score(X)
losses: dict[str, list[float]] = vae.history
params: dict[str, np.ndarray] = vae.params
why: str = vae.stop_reason
image: np.ndarray = vae.likelihood.expectation(*vae.decode(mu))
vaelite.fit(X, stopping=vaelite.HeldOut(patience=3), learning_rate=lambda step: 1e-3 / (1 + step))
for beta in np.linspace(0, 1, 3):
    vaelite.fit(X, beta=beta, batch_size=np.int64(8), rng=np.random.default_rng(0))
"""


def test_the_package_says_that_it_has_types():
    assert (Path(vaelite.__file__).parent / "py.typed").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the blocks of all pages, a user's script, and mistakes; for pyright."""
    if not find_spec("pyright"):
        pytest.skip("pyright is not installed: python -m pip install 'pyright[nodejs]'")
    folder = tmp_path_factory.mktemp("types")
    files = {"right.py": RIGHT, "mistakes.py": RIGHT + MISTAKES, TYPINGS[0]: TYPINGS[1]}
    files["script.py"] = SCRIPT.read_text(encoding="utf-8")
    for number, page in enumerate(PAGES):
        blocks = python_blocks(page.read_text(encoding="utf-8"))
        code = "\n".join(block.code for block in blocks if block.reason is None)
        files[f"{page.stem}_{number}.py"] = code
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "basic"}
    files["pyrightconfig.json"] = json.dumps(config)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def errors(project):
    """Pyright's errors, (file, line, message with the line's text)."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    result = subprocess.run([*command, "-p", project], capture_output=True, text=True)
    report = json.loads(result.stdout)
    assert report["summary"]["filesAnalyzed"] == len(PAGES) + 4
    found = []
    for error in report["generalDiagnostics"]:
        if error["severity"] == "error":
            file, line = Path(error["file"]), error["range"]["start"]["line"]
            text = file.read_text(encoding="utf-8").splitlines()[line]
            found.append((file.name, line + 1, f"{error['message']}\n{text}"))
    return found


@pytest.mark.slow
def test_a_type_checker_accepts_the_documentation(errors):
    reasons = re.compile("|".join(map(re.escape, NOT_OURS)))
    pages = [error for error in errors if error[0] not in ("mistakes.py", "right.py", "script.py")]
    assert [error for error in pages if not reasons.search(error[2])] == []


@pytest.mark.slow
def test_a_type_checker_accepts_right_settings_and_a_users_script(errors):
    assert [error for error in errors if error[0] in ("right.py", "script.py")] == []


@pytest.mark.slow
def test_a_type_checker_sees_each_mistake(errors):
    start = RIGHT.count("\n") + 1
    expected = set(range(start + 1, start + MISTAKES.count("\n")))
    assert {line for file, line, _ in errors if file == "mistakes.py"} == expected


@pytest.mark.slow
def test_mypy_sees_each_mistake_too(project):
    """One error in each line with a mistake, and none before."""
    if not find_spec("mypy"):
        pytest.skip("mypy is not installed: python -m pip install mypy")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--no-error-summary"]
    command += ["--disable-error-code=import-untyped", "mistakes.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    found = {int(line) for line in re.findall(r"^mistakes\.py:(\d+): error", result.stdout, re.M)}
    start = RIGHT.count("\n") + 1
    expected = set(range(start + 1, start + MISTAKES.count("\n")))
    assert found == expected, result.stdout


EDITORS = {
    "vaelite.fit(": "max_epochs=",
    "vaelite.VAE(": "likelihood=",
    "vaelite.fit(X).": "encode",
}


@pytest.mark.parametrize("running", [False, True], ids=["in an editor", "in a notebook"])
def test_jedi_completes_settings_and_attributes(running):
    """jedi completes in Jupyter, IPython and Spyder, also in a session that runs."""
    jedi = pytest.importorskip("jedi", reason="jedi is not installed")
    for text, expected in EDITORS.items():
        text = f"import vaelite\nX = []\n{text}"
        if running:
            script = jedi.Interpreter(text, [{"vaelite": vaelite, "X": []}])
        else:
            script = jedi.Script(text, project=jedi.Project(ROOT))
        names = {completion.name for completion in script.complete()}
        assert expected in names, text
        if text.endswith("("):
            settings = {f"{name}=" for name in inspect.signature(vaelite.VAE).parameters}
            assert names >= settings


def test_the_page_says_what_autograd_needs():
    path, text = TYPINGS
    page = (ROOT / "docs" / "guide" / "troubleshooting.md").read_text(encoding="utf-8")
    assert path in page
    assert text in page


@pytest.mark.slow
def test_a_users_script_runs(tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, env=environment, check=True)


@pytest.mark.slow
def test_an_editor_completes_settings_and_values(project):
    """Asked as VS Code asks, by the language server protocol."""
    with Server(project) as server:
        names = server.complete("import vaelite\nvaelite.fit([], ma")
        values = server.complete('import vaelite\nvaelite.fit([], stopping="')
    assert "max_epochs=" in names
    assert {'"heldout"', '"lecture"', '"epochs"'} <= set(values)


class Server:
    """Pyright's language server for a folder; a context manager."""

    def __init__(self, folder):
        self.folder, self.sent = folder, 0

    def __enter__(self):
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        uri = self.folder.as_uri()
        folders = [{"uri": uri, "name": "types"}]
        about = {"processId": None, "rootUri": uri, "capabilities": {}, "workspaceFolders": folders}
        self.ask("initialize", about)
        self.send("initialized", {})
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def complete(self, text):
        """What the editor offers at the end of a text, a list of labels."""
        uri = (self.folder / f"open{self.sent}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        lines = text.split("\n")
        place = {"line": len(lines) - 1, "character": len(lines[-1])}
        found = self.ask(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": place}
        )
        return [item["label"] for item in found["items"]]

    def ask(self, method, params):
        """The result of a request; questions of the server's own get no answer."""
        self.sent += 1
        self.send(method, params, id=self.sent)
        while True:
            message = self.receive()
            if message.get("id") == self.sent and "method" not in message:
                return message["result"]
            if "id" in message:
                nothing = [None] * len(message["params"].get("items", ()))
                self.write({"id": message["id"], "result": nothing or None})

    def send(self, method, params, **more):
        self.write({"method": method, "params": params, **more})

    def write(self, message):
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.process.stdin.flush()

    def receive(self):
        size = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        return json.loads(self.process.stdout.read(size))
