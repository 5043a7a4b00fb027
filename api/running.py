"""`lossbench run`: measures, shows progress, and writes every report."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from lossbench.harness.controller import Run, new_run, resumed_run
from lossbench.harness.plan import Filters
from lossbench.progress import Bar
from lossbench.reporting import write

RESULTS = Path("results")


def main(arguments: argparse.Namespace) -> int:
    """Run a new or an interrupted run; prints the paths of the reports."""
    bar = Bar()
    if arguments.resume:
        folder = arguments.resume
        run = resumed_run(folder, bar)
    else:
        many = {name: _several(getattr(arguments, name)) for name in ("form", "impl", "suite", "dtype", "only")}
        filters = Filters(**many, device=arguments.device)
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = arguments.out or RESULTS / f"{stamp}-{arguments.tier}"
        run = new_run(folder, arguments.tier, arguments.seed, filters, bar)
    _announce(run, bar)
    if arguments.dry_run:
        if arguments.json:
            print(json.dumps({**run.plan.to_json(), "predicted_s": run.predicted_seconds}))
        return 0
    try:
        with bar:
            run.measure()
    except KeyboardInterrupt:
        bar.say(f"interrupted; what is finished is in {folder}. Go on with: lossbench run --resume {folder}")
        return 130
    _point_latest(folder)
    paths = write(folder, bar.say, tell=not arguments.json)
    if arguments.json:
        print(json.dumps({"dir": str(folder), "reports": [str(path) for path in paths]}))
    else:
        for path in paths:
            print(path)
    return 0


def _several(values: list[str] | None) -> tuple[str, ...] | None:
    """`--form a --form b,c` -> (a, b, c)."""
    return None if values is None else tuple(part for value in values for part in value.split(","))


def _announce(run: Run, bar: Bar) -> None:
    plan, left = run.plan, len(run.finished)
    seconds = run.predicted_seconds
    bar.say(
        f"{plan.tier} run into {run.folder.name}: {len(plan.scored)} accuracy units and {len(run.cells)} timing cells, "
        f"about {seconds / 60:.1f} min on 2 cores" + (f"; {left} already finished" if left else "")
    )
    for sentence in plan.left_out:
        bar.say(f"  left out: {sentence}")
    if not plan.scored and not run.cells:
        bar.say("  nothing to measure with these filters; the report gives the reasons")
    sys.stderr.flush()


def _point_latest(folder: Path) -> None:
    """Let results/latest name this run, when it is one of results/."""
    if folder.resolve().parent != RESULTS.resolve():
        return
    link = RESULTS / "latest"
    if link.is_symlink() or not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
