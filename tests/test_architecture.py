"""The layout: imports point one way, functions are short, and an import loads little."""

import ast
import subprocess
import sys
from pathlib import Path

import vaelite

PACKAGE = Path(vaelite.__file__).parent
MODULES = """
    textbook
    exceptions checks
    arrays.compiled arrays.dispatch arrays.cupy_autograd arrays.backend arrays.streams
    arrays.adam_step arrays.threads
    gradient ops
    data.rows data.checks data.batches data.dataset data.datasets
    terms
    networks.base networks.dense networks.convolution networks.convolutional networks
    likelihoods.base likelihoods.gaussian likelihoods.bernoulli likelihoods.continuous_bernoulli
    likelihoods.categorical likelihoods
    priors
    objectives plain adam stopping state training
    versions
    models.checks
    fit.types fit.progress fit.trial fit.settings fit.plan fit.start fit.outcome
    saving.storage saving.provenance saving.checkpoint saving.files
    fit.fit vae
    inference.infer models.meanfield models.autoencoder models.pretrained models.ppca
    api
    inference.pareto inference.estimate inference.proposal inference.importance inference.quadrature
    inference.decompositions inference.gradient_estimators
    diagnostics.findings diagnostics.measurements diagnostics.doctor diagnostics.card
    diagnostics.ledger
    plots.grid plots.training plots.latent plots.images plots.graphs plots.inference
    plots.interactive plots
    classroom.theorems
    classroom.verdict classroom.answers classroom.cases classroom.portable
    classroom.questions.base classroom.questions.densities classroom.questions.latent
    classroom.questions.losses classroom.questions.pixels classroom.questions.optimizer
    classroom.questions.stopping classroom.questions.estimators
    classroom.diagnosis classroom.loops classroom.pictures classroom.sampling classroom.checker
    classroom.predictions classroom.right_answers classroom
    classroom.exercises.latent_variables classroom.exercises.three_ways
    classroom.exercises.gradients classroom.exercises.mean_field
    classroom.solutions
    classroom.exercises.gaussian_vae classroom.exercises.bernoulli_vae
    classroom.exercises.categorical classroom.exercises.blurry_samples
    classroom.exercises.other_networks
    classroom.needed_code classroom.assignment classroom.build classroom.messages
    classroom.sandbox classroom.grader_process classroom.grading classroom.__main__
    sklearn dask.shards dask.steps dask
    __init__ __main__
"""
ORDER = MODULES.split()  # a module imports only from the modules before it


def path_of(module):
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    return path if path.exists() else PACKAGE / module.replace(".", "/") / "__init__.py"


def modules():
    """Every module; a folder has its own name in the list if its __init__.py imports something."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            if any(isinstance(node, ast.ImportFrom) for node in ast.parse(path.read_text()).body):
                yield ".".join(parts[:-1])
        else:
            yield ".".join(parts)


def imported_modules(module):
    """The package's modules that a module imports, at any place in its text."""
    path = path_of(module)
    package = ["vaelite", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = [*base, *node.module.split(".")] if node.module else base
            if name[0] != "vaelite":
                continue
            inside = ".".join(name[1:])
            for alias in node.names:
                whole = f"{inside}.{alias.name}".strip(".")
                yield whole if path_of(whole).exists() else inside
        elif isinstance(node, ast.Import):
            yield from ["__init__" for alias in node.names if alias.name.split(".")[0] == "vaelite"]


def test_every_module_is_in_the_order():
    assert sorted(modules()) == sorted(ORDER)


def test_a_module_imports_only_earlier_modules():
    later = {
        module: set(imported_modules(module)) - set(ORDER[:i]) for i, module in enumerate(ORDER)
    }
    later["textbook"].remove("__init__")  # the digits, where the page runs by itself
    for module in ORDER:
        if module.startswith("classroom"):
            later[module] -= {""}  # public names
    assert {module: names for module, names in later.items() if names} == {}


def test_nothing_uses_another_modules_private_names():
    for module in ORDER:
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                private = [alias.name for alias in node.names if alias.name.startswith("_")]
                assert not private, f"{module} imports {private}"


def test_the_classroom_is_a_library_in_the_library():
    """It uses public names only, and nothing else knows it."""
    modules = {"terms", "ops", "gradient_estimators", "checks"}  # public: the reference lists them
    for module in ORDER:
        for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            names = {alias.name for alias in node.names}
            if not module.startswith("classroom"):
                assert "classroom" not in f"{node.module} {names}", module
            elif node.level:
                depth = module.count(".") + (path_of(module).name == "__init__.py")
                assert node.level <= depth, f"{module} imports {node.module}"
            elif node.module == "vaelite":
                assert names <= {*vaelite.__all__, *modules}, f"{module} imports {names}"
            elif node.module.startswith("vaelite."):
                inside = node.module.partition(".")[2]
                assert inside in modules or inside.startswith("classroom"), f"{module}: {inside}"


def test_every_folder_is_a_package():
    """A folder without __init__.py is not installed, and can hide another package."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_import_loads_nothing_heavy():
    heavy = ("matplotlib", "scipy.stats", "scipy.optimize", "tqdm", "pooch", "cupy", "hypothesis")
    heavy += ("sklearn", "joblib", "pandas", "dask", "distributed")
    code = f"import sys, vaelite; print(*(m for m in {heavy} if m in sys.modules))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == ""


def test_public_names_are_documented():
    for name in vaelite.__all__:
        assert getattr(vaelite, name).__doc__, name


def test_the_function_fit_stays_the_function():
    """The folder fit/ has the function's name: no later import may replace it."""
    code = "import vaelite, vaelite.fit.progress, vaelite.dask; assert callable(vaelite.fit)"
    subprocess.run([sys.executable, "-c", code], check=True)
