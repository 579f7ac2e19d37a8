"""The README's code runs without changes, and all that the README names exists."""

import re
from pathlib import Path

import pytest
from mentions import missing_files, missing_names
from pages import python_blocks, run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow  # the first block is a fit with the default settings
@pytest.mark.parametrize("block", python_blocks(README), ids=lambda block: f"line {block.line}")
def test_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(block, {}, "README.md")


def test_names_exist():
    assert missing_names(README) == []
    assert missing_files(README) == []


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
