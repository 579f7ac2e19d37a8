"""Print the table of false accepts and false rejects: python tests/classroom/verdicts.py [seeds].

It checks each answer of the corpus with every seed, 0, 1, ...; by default 20.
"""

import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass

from corpus import entries


@dataclass
class Row:
    """What became of one term's answers."""

    answers: int = 0
    verdicts: int = 0
    false_accepts: int = 0
    false_rejects: int = 0
    misnamed: int = 0

    def __str__(self):
        return " | ".join(
            str(n)
            for n in (
                self.answers,
                self.verdicts,
                self.false_accepts,
                self.false_rejects,
                self.misnamed,
            )
        )


def table(seeds):
    """The rows by term, the answers whose verdict is not what is due, CPU seconds per verdict."""
    rows, faults, seconds = {}, Counter(), []
    for entry in entries():
        row = rows.setdefault(entry.term, Row())
        row.answers += 1
        for seed in range(seeds):
            start = time.process_time()
            verdict = entry.verdict(seed)
            seconds.append(time.process_time() - start)
            row.verdicts += 1
            row.false_accepts += verdict.ok and not entry.right
            row.false_rejects += entry.right and not verdict.ok
            misnamed = not (entry.right or verdict.ok or verdict.mistake == entry.name)
            row.misnamed += misnamed
            if verdict.ok != entry.right or misnamed:
                faults[entry.id, verdict.mistake or "accepted"] += 1
    return rows, faults, seconds


def main():
    rows, faults, seconds = table(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    print("| term | answers | verdicts | false accepts | false rejects | wrong names |")
    print("|---|---|---|---|---|---|")
    for term, row in rows.items():
        print(f"| `{term}` | {row} |")
    counts = [vars(row).values() for row in rows.values()]
    print(
        "| all |",
        *" | ".join(str(sum(column)) for column in zip(*counts, strict=True)).split(),
        "|",
    )
    middle, longest = 1000 * statistics.median(seconds), 1000 * max(seconds)
    print(f"\nCPU time of a verdict: median {middle:.0f} ms, longest {longest:.0f} ms")
    for (answer, verdict), times in faults.items():
        print(f"{answer}: {verdict}, {times} times", file=sys.stderr)


if __name__ == "__main__":
    main()
