"""`lossbench report`: renders the reports of a run again, without measuring."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from lossbench.reports.results import Results


def write(folder: Path, say: Callable[[str], None], tell: bool = False) -> list[Path]:
    """Write every report of a run; without the packages for it, say so and return the rows' path.

    tell: print native's duels with its strongest rivals, and its goals.
    """
    missing = [name for name in ("pandas", "pyarrow", "altair", "jinja2") if not importlib.util.find_spec(name)]
    if missing:
        say(f"reports need {', '.join(missing)}: pip install 'lossbench[report]', then lossbench report {folder}")
        return [folder / "rows.jsonl"]
    from lossbench.reports.write import write_reports

    return write_reports(folder, _print if tell else lambda results: None)


def _print(results: Results) -> None:
    """native's duels and goals on the terminal."""
    console = Console()
    _print_duels(results, console)
    _print_goals(results, console)


def _print_duels(results: Results, console: Console) -> None:
    """The strongest rival of each work."""
    from lossbench.reports.duels import duels, strongest, table

    found = strongest(duels(results))
    if not found:
        return
    shown = _table("lossbench.native against the strongest rival of each work (all: report.html)")
    shown.add_column("work, rival", overflow="fold")
    for column in ("x native's time", "prepared", "native is", "errors, ulp"):
        shown.add_column(column, justify="right", no_wrap=True)
    for work, rival, ratio, spread, verdict, prepared, its_spread, its_verdict, error, own in table(found, "").rows:
        shown.add_row(
            f"{work.text}\n  {rival.text}",
            f"{ratio.text}\n({spread.text})",
            f"{prepared.text}\n({its_spread.text})",
            f"{verdict.text}\n{its_verdict.text}",
            f"rival {error.text}\nnative {own.text}",
        )
    console.print(shown)


def _print_goals(results: Results, console: Console) -> None:
    """How many goals are met, and those that are not."""
    from lossbench.reports.goals import MISSED, OPEN, counts, outcomes, table

    found = outcomes(results)
    if not found:
        return
    console.print(f"Goals of lossbench.native: {counts(found)} (lossbench run --only goals times them all)")
    below = [o for o in found if o.verdict in (MISSED, OPEN)]
    if not below:
        return
    shown = _table("not met (all goals: report.html)")
    shown.add_column("work, rival", overflow="fold")
    for column in ("against", "goal", "measured", "goal is"):
        shown.add_column(column, justify="right")
    for work, against, goal, measured, spread, verdict, rival in table(below, "").rows:
        shown.add_row(f"{work.text}\n  {rival.text}", against.text, goal.text,
                      f"{measured.text}\n({spread.text})", verdict.text)  # fmt: skip
    console.print(shown)


def _table(title: str) -> Table:
    shown = Table(title=title)
    shown.title_justify, shown.box, shown.pad_edge = "left", SIMPLE_HEAD, False
    return shown


def main(arguments: argparse.Namespace) -> int:
    """Render the reports of a folder and print their paths."""
    if not any((arguments.dir / name).exists() for name in ("rows.jsonl", "rows.parquet", "semantics.json")):
        raise FileNotFoundError(f"{arguments.dir} holds no run (no rows.jsonl)")
    paths = write(arguments.dir, print)
    if arguments.json:
        print(json.dumps({"reports": [str(path) for path in paths]}))
    else:
        for path in paths:
            print(path)
    return 0
