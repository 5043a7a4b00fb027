"""`lossbench report`: renders the reports of a run again, without measuring."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path


def write(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Write every report of a run; without the packages for it, say so and return the rows' path."""
    missing = [name for name in ("pandas", "pyarrow", "altair", "jinja2") if not importlib.util.find_spec(name)]
    if missing:
        say(f"reports need {', '.join(missing)}: pip install 'lossbench[report]', then lossbench report {folder}")
        return [folder / "rows.jsonl"]
    from lossbench.reports.write import write_reports

    return write_reports(folder)


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
