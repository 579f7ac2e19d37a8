"""The README's code runs as it stands, and its text names only what exists."""

import re
from pathlib import Path

import pytest
from pages import python_blocks, run

import vaelite

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", python_blocks(README), ids=lambda block: f"line {block.line}")
def test_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(block, {}, "README.md")


def test_names_exist():
    for name in re.findall(r"`vaelite\.(\w+)", README):
        assert hasattr(vaelite, name), name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
