"""`lossbench report`: renders the reports of a run again, without measuring."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
    _print_duels(results)
    _print_goals(results)


def _print_duels(results: Results) -> None:
    """The strongest rival of each work."""
    from lossbench.reports.duels import duels, strongest, table

    found = strongest(duels(results))
    if not found:
        return
    print("Times of the strongest rival of each work over those of lossbench.native (all rivals: report.html)")
    for work, rival, ratio, spread, verdict, prepared, its_spread, its_verdict, error, own in table(found, "").rows:
        print(f"{work.text}\n  {rival.text}, largest error {error.text} ulp, native's {own.text}")
        checked = f"{ratio.text:>6} {f'({spread.text})':<15} {verdict.text:<9}"
        print(f"  {checked} prepared {prepared.text:>6} {f'({its_spread.text})':<15} {its_verdict.text}".rstrip())


def _print_goals(results: Results) -> None:
    """How many goals are met, and those that are not."""
    from lossbench.reports.goals import MISSED, OPEN, counts, outcomes, table

    found = outcomes(results)
    if not found:
        return
    print(f"Goals of lossbench.native: {counts(found)} (lossbench run --only goals times them all)")
    below = [o for o in found if o.verdict in (MISSED, OPEN)]
    if not below:
        return
    print("Not met (all goals: report.html):")
    for work, against, goal, measured, spread, verdict, rival in table(below, "").rows:
        print(f"{work.text}, against {against.text}\n  {verdict.text}: {measured.text} ({spread.text}), "
              f"wanted {goal.text}; {rival.text}")  # fmt: skip


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
