"""Every report of a run, written into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lossbench.reports.defects import findings
from lossbench.reports.listing import write_findings
from lossbench.reports.markdown import markdown
from lossbench.reports.page import page
from lossbench.reports.results import Results, load, write_tables

MARKDOWN, PAGE = "report.md", "report.html"


def write_reports(folder: Path, look: Callable[[Results], None] = lambda results: None) -> list[Path]:
    """Write rows.parquet, accuracy.csv, throughput.csv, report.md and report.html from the rows in `folder`.

    Where its semantics are known, findings.md and the folder of reproducers too.

    A pure function of rows.jsonl (or rows.parquet), env.json and plan.json: the same input gives the same
    text files, byte by byte. Returns the paths in that order. Raises as `results.load` does.
    look: is shown the results, which are dear to load.
    """
    results = load(folder)
    look(results)
    paths = write_tables(results, folder)
    for name, text in ((MARKDOWN, markdown(results)), (PAGE, page(results))):
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        paths.append(path)
    if results.semantics:
        paths += write_findings(findings(results.semantics), folder, results.semantics["platform"])
    return paths
