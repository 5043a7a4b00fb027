"""`lossbench conventions`: asks every call what it makes of labels, special values and laws, and writes the report."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path

from rich.console import Console

from lossbench.harness.semantics.job import ANSWERS, Job
from lossbench.harness.semantics.judging import counts, write
from lossbench.reporting import write as write_reports

RESULTS = Path("results")


def main(arguments: argparse.Namespace) -> int:
    """Ask, judge, write semantics.json and the reports; prints their paths."""
    console = Console(stderr=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = arguments.out or RESULTS / f"{stamp}-conventions"
    globs = tuple(part for value in arguments.impl for part in value.split(",")) if arguments.impl else None
    job = Job(folder, arguments.full, globs)
    asks = job.asks()
    if not asks:
        raise ValueError(f"impl: {', '.join(globs or ())} matches no installed implementation")
    total = sum(len(own) for own in asks.values())
    console.print(f"{total} questions to {len(asks)} libraries, into {folder.name}", highlight=False)
    try:
        answers = job.run(lambda library, count: console.print(f"  {library}: {count}", highlight=False))
    except KeyboardInterrupt:
        console.print(f"interrupted; go on with: lossbench conventions --out {folder}", highlight=False)
        return 130
    path = write(job, answers)
    reports = write_reports(folder, lambda text: console.print(text, highlight=False))
    found = json.loads(path.read_text(encoding="utf-8"))
    if arguments.json:
        answer = {"dir": str(folder), "answers": str(folder / ANSWERS), "reports": [str(path) for path in reports]}
        print(json.dumps({**answer, "counts": counts(found)}))
        return 0
    for group, tally in counts(found).items():
        console.print(f"{group}: " + ", ".join(f"{n} {name}" for name, n in tally.items()), highlight=False)
    for report in (path, *reports):
        print(report)
    return 0
