"""`lossbench gate` and `lossbench accept`: a run against the baseline of its platform."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lossbench.reports import baseline as files
from lossbench.reports import gate
from lossbench.reports.results import load

BASELINES = Path("baselines/accuracy")


def main(arguments: argparse.Namespace) -> int:
    """Compare or accept; exit 0 ok, 1 regression, 3 nothing comparable."""
    results = load(arguments.dir)
    path = arguments.baseline or gate.baseline_of(results, BASELINES)
    if arguments.command == "accept":
        difference = gate.accept(arguments.dir, path)
        if arguments.json:
            print(json.dumps({"baseline": str(path), "diff": difference}))
        else:
            sys.stdout.write(difference)
            print(f"{path}: {'rewritten' if difference else 'unchanged'}")
        return 0
    if not path.exists():
        platforms = ", ".join(sorted(p.stem for p in path.parent.glob("*.csv"))) or "none"
        sentence = (
            f"there is no baseline {path} for this platform (baselines there are: {platforms}); "
            f"lossbench accept {arguments.dir} makes this run the first"
        )
        print(json.dumps({"baseline": str(path), "exit_code": 3, "reason": sentence}) if arguments.json else sentence)
        return 3
    verdicts = gate.compare(results.rows, files.read(path), results.plan, results.environment)
    if arguments.json:
        print(json.dumps({"baseline": str(path), **verdicts.document()}))
    else:
        print(verdicts.text())
    return verdicts.exit_code
