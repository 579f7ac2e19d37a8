"""The documentation site, built without a network:

python -m pip install -e '.[docs]'
python -m sphinx -W --keep-going -n -b html docs docs/_build/html && python docs/check_links.py docs/_build/html
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
    "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc", "myst_nb",
    "sphinx.ext.mathjax", "sphinx-mathjax-offline",  # the latter brings MathJax along, in place of a CDN's
]  # fmt: skip
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# Markdown and notebooks. The notebooks are stored with their outputs, and shown as they are.
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block"]
myst_heading_anchors = 3

# The reference: one page a name, from its docstring. Backticks in docstrings are links where there is something to
# link to, as `VAE.fit`.
default_role = "autolink"
autosummary_generate = True
autosummary_filename_map = {"vaelite.Ledger": "vaelite.Ledger-class"}  # some file systems take ledger for the same
DERIVED = [name for name, kind in vars(vaelite).items() if isinstance(kind, type) and kind.__base__ is not object]
autosummary_context = {"derived": DERIVED}
autodoc_typehints = "none"  # the docstrings say more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template for classes does
python_maximum_signature_line_length = 100
toc_object_entries = False
nitpick_ignore_regex = [("py:.*", r"(numpy|matplotlib|collections)\..*|THEOREMS|ESTIMATORS")]

# The look.
html_theme = "pydata_sphinx_theme"
html_title = "vaelite"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
NO_SIDEBAR = ["index", "coming_from", "instructors", "inside", "reproduction", "bibliography", "changelog"]
html_sidebars = {page: [] for page in NO_SIDEBAR}
html_theme_options = {
    "logo": {"text": "vaelite"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# The tutorials live outside of this folder; Sphinx reads what is inside.
shutil.rmtree(DOCS / "tutorials", ignore_errors=True)
(DOCS / "tutorials").mkdir()
for notebook in sorted((ROOT / "tutorials").glob("[0-9]*.ipynb")):
    shutil.copy2(notebook, DOCS / "tutorials")

REFERENCE = set(re.findall(r"\w+", (DOCS / "reference.md").read_text(encoding="utf-8")))
LINK = re.compile(r"\[([^\[\]]+)\]\(((?:\.\./)+[^)#\s]*)(#[^)\s]*)?\)")


def adapt_links(app, docname, source):
    """Links are written for a browser of the repository: make them lead to the same thing on the site."""
    place = ROOT if docname.startswith("tutorials/") else DOCS  # where the text is in the repository
    folder = (place / docname).parent

    def adapt(match):
        text, path, fragment = match.groups(default="")
        target = Path(os.path.normpath(folder / path))
        page = target.relative_to(DOCS) if target.is_relative_to(DOCS) else target.relative_to(ROOT)
        if target.parent == ROOT / "vaelite" and target.suffix == ".py" and not target.stem.startswith("__"):
            page = f"_modules/vaelite/{target.stem}.html{anchor(target.stem, text)}"
            return f"<a href='{os.path.relpath(DOCS / page, (DOCS / docname).parent)}'>{text}</a>"
        if target.exists() and (target.is_relative_to(DOCS) or target.suffix == ".ipynb"):
            return f"[{text}]({os.path.relpath(DOCS / page, (DOCS / docname).parent)}{fragment})"
        return text  # tests, benchmarks, LICENSE: not on the site

    source[0] = LINK.sub(adapt, source[0])


def anchor(module, text):
    """``#name`` if the text of a link is a name of the reference page's that the module defines."""
    name = re.sub(r"`|\(\)", "", text).removeprefix("vaelite.").removeprefix(f"{module}.")
    try:
        defined = operator.attrgetter(name)(import_module(f"vaelite.{module}")).__module__ == f"vaelite.{module}"
    except AttributeError:
        return ""
    return f"#{name}" if defined and name.partition(".")[0] in REFERENCE else ""


def find_in_package(app, env, node, contnode):
    """Docstrings of modules name what `vaelite` exports without their prefix."""
    if node["refdomain"] != "py":
        return None
    name, domain = f"vaelite.{node['reftarget']}", env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, contnode)


def mend_back_links(app, pagename, templatename, context, doctree):
    """From a source to its page: viewcode's links end in names that are wrong where a module has two, as `trainer`."""
    if pagename.startswith("_modules/"):
        context["body"] = re.sub(r'(class="viewcode-back" href="[^"#]*)#[^"]*', r"\1", context["body"])


def setup(app):
    app.connect("source-read", adapt_links)
    app.connect("missing-reference", find_in_package)
    app.connect("html-page-context", mend_back_links)
