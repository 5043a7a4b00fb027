"""`lossbench reproduce`: runs every reproducer of a run and holds what it prints against the findings."""

from __future__ import annotations

import argparse
import json
from fnmatch import fnmatchcase

from rich.console import Console

from lossbench.reports.defects import findings, unwritten
from lossbench.reports.reproducing import run_all
from lossbench.reports.results import SEMANTICS


def main(arguments: argparse.Namespace) -> int:
    """Run them; the exit status is 1 where one does not show what it claims."""
    path = arguments.dir / SEMANTICS
    if not path.exists():
        raise ValueError(f"{arguments.dir} holds no {SEMANTICS}; `lossbench conventions --out {arguments.dir}` asks")
    console = Console(stderr=True)
    listed = findings(json.loads(path.read_text(encoding="utf-8")))
    chosen = [f for f in listed if arguments.only is None or fnmatchcase(f.name, arguments.only)]
    results = {}
    for finding, why in run_all(chosen):
        results[finding.name] = why
        console.print(f"{'shows it' if not why else 'DIFFERS'}: {finding.name} {why}".strip(), highlight=False)
    wrong = sum(bool(why) for why in results.values())
    without = dict(unwritten(chosen))
    if arguments.json:
        print(json.dumps({"reproducers": results, "unwritten": without}))
    else:
        for name, why in without.items():
            print(f"no reproducer: {name}: {why}")
        print(f"{len(results)} reproducers run, {len(results) - wrong} show what they claim, {wrong} do not")
    return 1 if wrong or not results else 0
