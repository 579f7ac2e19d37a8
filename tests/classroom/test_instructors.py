"""The instructors' page: its commands lead from the installation to a graded class."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbformat", reason="needs the extra classroom")
from pages import compare

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## An assignment from one notebook")[2].partition("### Your own")[0]
BLOCK = re.compile(r"^```sh\n(.*?)^```$(?:\n+[^`]*\n+^```text\n(.*?)^```$)?", re.M | re.S)


def test_the_extra_exists():
    (install,) = re.findall(r"^python -m pip install '(.*)'$", SECTION, re.MULTILINE)
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert install == "vaelite[classroom]"
    assert "nbformat" in config["options.extras_require"]["classroom"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the grader needs processes with limits")
def test_the_commands_grade_a_class(tmp_path):
    blocks = BLOCK.findall(SECTION)
    assert len(blocks) == 3
    shutil.copytree(ROOT / "tutorials" / "assignment", tmp_path / "tutorials" / "assignment")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    for commands, prints in blocks:
        lines = [line for line in commands.splitlines() if "pip install" not in line]
        ran = subprocess.run(
            ["bash", "-ec", "\n".join(lines)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        if prints:
            assert compare(prints, ran.stdout) is None, ran.stdout
    points = (tmp_path / "points.csv").read_text().splitlines()
    assert points[1:] == [
        "ada.ipynb,2,3,2,2,3,3,5,2,2,24",
        "bob.ipynb,0,0,0,0,0,0,0,0,0,0",
        "eve.ipynb,0,3,2,2,0,3,5,2,2,19",
    ]
    assert json.loads((tmp_path / "results.json").read_text())["score"] == 19
    assert (tmp_path / "source" / "vae" / "vae.ipynb").exists()
