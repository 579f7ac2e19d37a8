"""The documentation site, built without a network::

python -m pip install -e '.[docs]'
python -m sphinx -W --keep-going -n -b html docs docs/_build/html
python docs/check_links.py docs/_build/html
"""

import operator
import os
import re
import shutil
from importlib import import_module
from pathlib import Path

import vaelite

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

project, author, copyright = "vaelite", "The vaelite developers", "The vaelite developers"
release = version = vaelite.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax from a package, in place of a CDN's
]
exclude_patterns = ["_build", "_extra"]
templates_path = ["_templates"]

# Markdown and notebooks. The notebooks are stored with their outputs, and shown with them.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block"]
myst_heading_anchors = 3

# The reference: one page per name, from its docstring. Backticks in docstrings are links if
# there is something to link to, as `VAE.fit`.
default_role = "autolink"
autosummary_generate = True
# Some file systems do not distinguish Ledger from ledger.
autosummary_filename_map = {"vaelite.Ledger": "vaelite.Ledger-class"}
DERIVED = [
    name
    for name, kind in vars(vaelite).items()
    if isinstance(kind, type) and not kind.__base__.__name__.startswith(("_", "object"))
]
LISTED = re.findall(r"^   ([\w.]+)$", (DOCS / "reference.md").read_text(encoding="utf-8"), re.M)


def home(name):
    """The module of a name that the reference lists, or an empty text."""
    module, _, last = f"vaelite.{name}".rpartition(".")
    try:
        return getattr(getattr(import_module(module), last), "__module__", "")
    except (ImportError, AttributeError):
        return ""


# The site has the source of a module if the reference lists a name of it.
autosummary_context = {"derived": DERIVED, "sources": {home(name) for name in LISTED}}
autodoc_typehints = "none"  # the docstrings say more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template for classes does
python_maximum_signature_line_length = 100
toc_object_entries = False
nitpick_ignore_regex = [("py:.*", r"(numpy|matplotlib|collections)\..*")]

# The look.
html_theme = "pydata_sphinx_theme"
html_title = "vaelite"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # pages that Sphinx does not make; they are made below
html_show_sourcelink = False
html_copy_source = False
NO_SIDEBAR = [
    "index",
    "explorer",
    "browser",
    "coming_from",
    "instructors",
    "inside",
    "reproduction",
    "bibliography",
    "changelog",
    "equations",
    "gallery",
    "projects",
]
html_sidebars = {page: [] for page in NO_SIDEBAR}
html_theme_options = {
    "logo": {"text": "vaelite"},
    "header_links_before_dropdown": 4,
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": {"**": ["page-toc"], "explorer": []},
    "article_header_end": ["notebook-links"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# The tutorials are outside of this folder; Sphinx reads only what is inside.
shutil.rmtree(DOCS / "tutorials", ignore_errors=True)
(DOCS / "tutorials").mkdir()
for notebook in sorted((ROOT / "tutorials").glob("[0-9]*.ipynb")):
    shutil.copy2(notebook, DOCS / "tutorials")

# Each tutorial's page offers the notebook: to download, on Binder if the repository is known, and
# in the browser, where `docs/lite.py` puts the first ones afterwards.
NOTEBOOKS = [path.name for path in sorted((DOCS / "tutorials").glob("*.ipynb"))]
REPOSITORY = os.environ.get("GITHUB_REPOSITORY", "")
IN_BROWSER = {path.name for path in (DOCS / "tutorials").glob("0[0-5]*.ipynb")}

# The page to play with, of the model that ships with vaelite.
(DOCS / "_extra" / "play").mkdir(parents=True, exist_ok=True)
vaelite.plots.explorer(
    vaelite.load_pretrained("mnist-gaussian"),
    DOCS / "_extra" / "play" / "mnist.html",
    *vaelite.load_mnist_sample(),
)

PACKAGE = ROOT / "vaelite"
REFERENCE = set(re.findall(r"\w+", (DOCS / "reference.md").read_text(encoding="utf-8")))
LINK = re.compile(r"\[([^\[\]]+)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")


def adapt_links(app, docname, source):
    """Links are written for the repository's folders: make them work on the site."""
    place = ROOT if docname.startswith("tutorials/") else DOCS  # where the text's folder is
    folder = (place / docname).parent

    def adapt(match):
        text, path, fragment = match.groups(default="")
        target = Path(os.path.normpath(folder / path))
        if module := module_name(target):
            page = f"_modules/{module.replace('.', '/')}.html{anchor(module, text)}"
            return f"<a href='{from_page(docname, page)}'>{text}</a>"
        is_tutorial = target.match("tutorials/[0-9]*.ipynb")
        if target.exists() and (target.is_relative_to(DOCS) or is_tutorial):
            page = target.relative_to(DOCS if target.is_relative_to(DOCS) else ROOT)
            return f"[{text}]({from_page(docname, page)}{fragment})"
        return text  # tests, benchmarks, LICENSE: not on the site

    source[0] = LINK.sub(adapt, source[0])


def from_page(docname, page):
    """The path of a page of the site, seen from another one."""
    return os.path.relpath(DOCS / page, (DOCS / docname).parent)


def module_name(path):
    """``vaelite.data.rows`` for a source file that the site shows; otherwise ``""``."""
    is_source = path.is_relative_to(PACKAGE) and path.suffix == ".py" and path.exists()
    has_page = is_source and not path.stem.startswith("__")
    return ".".join(path.relative_to(ROOT).with_suffix("").parts) if has_page else ""


def anchor(module, text):
    """``#name`` if a link's text is a name that the module defines and the reference lists."""
    own = f"{module.removeprefix('vaelite.')}."
    name = re.sub(r"`|\(\)", "", text).removeprefix("vaelite.").removeprefix(own)
    name = name.removeprefix(own.split(".")[-2] + ".")  # such as training.step
    try:
        is_its_own = operator.attrgetter(name)(import_module(module)).__module__ == module
    except AttributeError:
        return ""
    return f"#{name}" if is_its_own and name.partition(".")[0] in REFERENCE else ""


def find_in_package(app, env, node, contnode):
    """Docstrings use the names that `vaelite` exports, and the names of their own module."""
    if node["refdomain"] != "py":
        return None
    target, domain = node["reftarget"], env.domains.python_domain
    thing = getattr(import_module(node.get("py:module") or "vaelite"), target, None)
    where = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    for name in (f"vaelite.{target}", where):
        found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, contnode)
        if found is not None:
            return found
    return None if thing is None else contnode  # without a link


def shorten_back_links(app, pagename, templatename, context, doctree):
    """Links from a source to its page end in names that are wrong where a page has two."""
    if pagename.startswith("_modules/"):
        back = r'(class="viewcode-back" href="[^"#]*)#[^"]*'
        context["body"] = re.sub(back, r"\1", context["body"])


def break_names_at_dots(app, pagename, templatename, context, doctree):
    """The names in tables of the reference may go on in the next line after a dot."""
    name = re.compile(
        r'(?<=<code class="xref py py-obj docutils literal notranslate"><span class="pre">)[\w.]+'
    )
    if "body" in context:
        context["body"] = name.sub(lambda found: found[0].replace(".", ".<wbr>"), context["body"])


def launches(notebook):
    """Where a notebook can be opened: pairs of a text and an address, whole or on the site."""
    if notebook in IN_BROWSER:
        yield "Run it in this browser", f"lite/notebooks/index.html?path={notebook}"
    if REPOSITORY:
        place = f"https://mybinder.org/v2/gh/{REPOSITORY}/HEAD?labpath=tutorials/{notebook}"
        yield "Run it on Binder", place


def offer_notebook(app, pagename, templatename, context, doctree):
    """What `notebook-links.html` shows above a tutorial."""
    notebook = pagename.removeprefix("tutorials/") + ".ipynb"
    if pagename.startswith("tutorials/") and notebook in NOTEBOOKS:
        context["notebook"], context["launches"] = notebook, list(launches(notebook))


def copy_notebooks(app, exception):
    """The files that a tutorial's page offers."""
    if exception is None and app.builder.format == "html":
        (app.outdir / "notebooks").mkdir(exist_ok=True)
        for name in NOTEBOOKS:
            shutil.copy2(DOCS / "tutorials" / name, app.outdir / "notebooks")


def setup(app):
    app.connect("source-read", adapt_links)
    app.connect("missing-reference", find_in_package)
    app.connect("html-page-context", shorten_back_links)
    app.connect("html-page-context", break_names_at_dots)
    app.connect("html-page-context", offer_notebook)
    app.connect("build-finished", copy_notebooks)
