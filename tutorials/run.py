"""Run the tutorials from scratch and store their outputs: python tutorials/run.py [--check] [--mnist] [NAME ...].

NAME is the beginning of a file's name, such as 03; without one all are run. ``--check`` stores nothing and puts the
hidden solutions in their places, so that every exercise has to be answered "Right."; ``--mnist`` runs those that can
on MNIST, and stores nothing either.
"""

import argparse
import base64
import io
import os
import re
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

FOLDER = Path(__file__).parent
SWITCH = 'data = "digits"'  # the line that --mnist turns over
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)
# 200 dots per inch; the outputs' metadata keep the size at which they are shown
SHARP = "--InlineBackend.figure_formats={'retina'}"
VERDICT = re.compile(r"^check[.(]", re.MULTILINE)


def tutorials(names=()):
    """The notebooks whose file names begin with one of ``names``, or all of them, in order."""
    return [
        path
        for path in sorted(FOLDER.glob("*.ipynb"))
        if not names or path.name.startswith(tuple(names))
    ]


def read(path):
    """A notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def solutions(cell):
    """The code that a text cell hides."""
    return SOLUTION.findall(cell.source) if cell.cell_type == "markdown" else []


def with_solutions(notebook):
    """The notebook with each hidden solution where it belongs: before the verdict of the exercise above it.

    A solution of a question without a verdict becomes a cell of its own.
    """
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        for code in solutions(cell):
            exercise = next(
                (c for c in cells[-2:-1] if c.cell_type == "code" and VERDICT.search(c.source)),
                None,
            )
            if exercise is None:
                cells.append(nbformat.v4.new_code_cell(code))
            else:
                at = VERDICT.search(exercise.source).start()
                exercise.source = f"{exercise.source[:at]}{code}\n{exercise.source[at:]}"
    notebook.cells = cells
    return notebook


def on_mnist(notebook):
    """The notebook with its switch turned to MNIST."""
    for cell in notebook.cells:
        cell.source = cell.source.replace(SWITCH, 'data = "mnist"')
    return notebook


def has_switch(path):
    """Whether a tutorial can run on MNIST."""
    return SWITCH in path.read_text(encoding="utf-8").replace('\\"', '"')


def execute(notebook):
    """Run all cells in a new kernel, in the tutorials' folder; raises what a cell raises."""
    client = NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        resources={"metadata": {"path": FOLDER}},
        coalesce_streams=True,
        extra_arguments=[SHARP],
    )
    return client.execute()


def verdicts(notebook):
    """What `check` returned, cell by cell."""
    printed = (
        "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and VERDICT.search(cell.source)
    )
    return [
        re.findall(
            r"^(?:Right|Not right yet|Not written yet|No verdict)\..*", text, re.MULTILINE
        )
        for text in printed
    ]


def store(notebook, path):
    """Write the notebook without what changes from run to run, its pictures in 256 colors."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                output["data"]["image/png"] = smaller(picture)
    language = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": language}
    nbformat.write(notebook, path)


def smaller(picture):
    """A PNG picture, in base64, with a palette of 256 colors, which is smaller."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    how = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    stream = io.BytesIO()  # without k-means, grays have a tint
    image.quantize(256, kmeans=1, **how).save(stream, format="png", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--check", action="store_true", help="with the solutions in place; store nothing"
    )
    parser.add_argument(
        "--mnist", action="store_true", help="on MNIST, those that can; store nothing"
    )
    args = parser.parse_args()
    # the vaelite of this folder, not another one that is installed
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]
    ).rstrip(os.pathsep)
    for path in tutorials(args.names):
        if args.mnist and not has_switch(path):
            continue
        notebook, start = read(path), time.perf_counter()
        if args.check:
            notebook = with_solutions(notebook)
        if args.mnist:
            notebook = on_mnist(notebook)
        try:
            execute(notebook)
        except CellExecutionError as error:
            raise SystemExit(f"{path.name} stops:\n{error}") from None
        print(f"{path.name:32s}{time.perf_counter() - start:6.1f} s", flush=True)
        if args.check:
            print(*verdicts(notebook), sep="\n")
        if not (args.check or args.mnist):
            store(notebook, path)


if __name__ == "__main__":
    main()
