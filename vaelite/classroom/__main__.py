"""Build assignments from a master notebook, and grade submissions."""

import argparse
import csv
import json
import sys
from pathlib import Path

from .assignment import notebook_library, read_assignment
from .build import TARGETS, build
from .grading import class_tables, grade, points_table, submissions
from .sandbox import ForkServer, Limits

EPILOG = """\
examples:
  python -m vaelite.classroom build master.ipynb --target plain --out students.ipynb
  python -m vaelite.classroom grade ada.ipynb --master master.ipynb
  python -m vaelite.classroom grade class/ --master master.ipynb --csv points.csv
"""
EXPECTED = ValueError, TypeError, OSError, ImportError
SEED = "seed of the hidden tests; take one that only you know (default: 1)"


def parse(arguments=None):
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        prog="python -m vaelite.classroom",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="a notebook for students, or for an autograder")
    one.add_argument("master", type=Path, help="the master notebook, with solutions")
    one.add_argument("--target", choices=TARGETS, default="plain", help="(default: plain)")
    one.add_argument("--out", type=Path, help="the file to write (default: MASTER-TARGET.ipynb)")
    one.add_argument("--seed", type=int, default=1, help=SEED)
    two = commands.add_parser("grade", help="points for submissions")
    two.add_argument("files", type=Path, nargs="+", help=".py and .ipynb files, or folders of them")
    two.add_argument("--master", type=Path, required=True, help="the master notebook")
    two.add_argument("--json", type=Path, help="Gradescope's results.json, of one submission")
    two.add_argument("--csv", type=Path, help="a table of all points")
    two.add_argument("--seed", type=int, default=1, help=SEED)
    limits = Limits()
    for name, text in (
        ("seconds", "of the processor, for one answer"),
        ("waiting", "seconds of the clock, for one answer"),
        ("megabytes", "of memory, for one answer"),
    ):
        default = getattr(limits, name)
        help_ = f"{text} (default: {default:g})"
        two.add_argument(f"--{name}", type=type(default), default=default, help=help_)
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the command, and return its exit status."""
    args = parse(arguments)
    try:
        run_build(args) if args.command == "build" else run_grade(args)
    except KeyboardInterrupt:
        print("error: interrupted from the keyboard", file=sys.stderr)
        return 130
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run_build(args):
    """Write a notebook, and say what comes next."""
    assignment = read_assignment(args.master)
    out = args.out or Path(f"{args.master.stem}-{args.target}.ipynb")
    if out.resolve() == args.master.resolve():
        raise ValueError("--out is the master notebook itself; pass another file")
    out.parent.mkdir(parents=True, exist_ok=True)
    notebook_library().write(build(assignment, args.target, args.seed), out)
    number = len(assignment.questions)
    print(f"wrote {out}: {number} questions, {assignment.points} points")


def run_grade(args):
    """Grade, and print the tables."""
    assignment, found = read_assignment(args.master), submissions(args.files)
    if args.json and len(found) > 1:
        raise ValueError(f"--json is for one submission, got {len(found)}; --csv is for a class")
    grades, limits = [], Limits(args.seconds, args.waiting, args.megabytes)
    with ForkServer(limits) as server:
        for name, path in found.items():
            grades.append(grade(path, assignment, server, args.seed, name))
            last = grades[-1]
            text = last if len(found) == 1 else f"{name}: {last.points} of {last.possible} points"
            print(text, flush=True)
    if len(found) > 1:
        print(f"\n{class_tables(grades)}")
    if args.json:
        args.json.write_text(json.dumps(grades[0].gradescope(), indent=1), encoding="utf-8")
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(points_table(grades))


if __name__ == "__main__":
    sys.exit(main())
