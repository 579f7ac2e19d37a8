"""The gallery shows every figure with its code; the pages' pictures exist and are explained."""

import re
from pathlib import Path

import pytest
from PIL import Image

from vaelite import plots

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *DOCS.glob("*.md"), *(DOCS / "guide").glob("*.md")]
PICTURE = re.compile(r"!\[([^]]*)\]\(([^)]*images/[^)]+)\)")
GALLERY = (DOCS / "gallery.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", GALLERY, flags=re.MULTILINE)[1:]
DRAWN = [section for section in SECTIONS if "images/gallery/" in section]


def test_every_figure_is_drawn_in_the_gallery():
    code = "\n".join(re.findall(r"```python\n(.*?)```", GALLERY, re.DOTALL))
    text = "\n".join(re.findall(r"`plots\.(\w+)`", GALLERY))
    for name in set(plots.__all__) - {"draw_grid", "explorer"}:  # explorer writes a page
        assert re.search(rf"plots\.{name}\(", code), name
    assert set(plots.__all__) <= set(text.split())


def test_a_picture_follows_its_code_and_is_among_the_small_ones():
    for section in DRAWN:
        heading, picture = section.splitlines()[0], PICTURE.search(section)[0]
        assert re.search(r"```\n\n" + re.escape(picture) + r"\n*\Z", section), heading
        assert GALLERY.index(picture) < GALLERY.index("## "), heading  # also on top, as a link
        assert f"[{heading}](#" in GALLERY, heading


def test_pictures_exist_and_say_what_they_show():
    for page in PAGES:
        for text, target in PICTURE.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
            assert len(text.split()) >= 5, f"{page.name}: {target}: {text}"


def test_pictures_are_sharp():
    """Diagrams are SVG; the other pictures have 200 dots per inch."""
    for path in DOCS.rglob("images/**/*.png"):
        with Image.open(path) as image:
            assert image.info["dpi"][0] == pytest.approx(200, abs=0.1), path.name


def test_every_picture_is_on_a_page():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for _, target in PICTURE.findall(page.read_text(encoding="utf-8"))
    }
    pictures = {p for p in (DOCS / "images").rglob("*") if p.suffix in (".png", ".svg", ".gif")}
    assert {p.stem for p in pictures - shown} <= {"convolution"}  # tutorial 10 has it
