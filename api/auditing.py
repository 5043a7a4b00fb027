"""`lossbench audit`: the reference examines itself, both oracles at a million points and more."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from lossbench.harness import environment
from lossbench.harness.audit import EXHAUSTIVE, HARD, RANDOM, Findings, audit, tasks
from lossbench.harness.rates import rates
from lossbench.progress import Bar

_KINDS = {
    RANDOM: "random inputs, labels, options and reductions",
    HARD: "every case of every suite",
    EXHAUSTIVE: "every float16 and bfloat16 input of every form of one number, value and gradient",
}


def main(arguments: argparse.Namespace) -> int:
    """Print what was examined; exit 1 when an oracle was undecided or two disagreed."""
    if arguments.rates:
        return _rates(arguments.json)
    if arguments.points < 0:
        raise ValueError(f"--points: got {arguments.points}, wants a number >= 0")
    planned, bar = tasks(arguments.points, arguments.hard, arguments.exhaustive), Bar()
    bar.stage("audit", len(planned))
    began = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with bar, ProcessPoolExecutor(environment.cores(), mp_context=spawn) as executor:
        try:
            findings = audit(planned, executor, bar)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    facts = _facts(findings, time.monotonic() - began)
    if arguments.json:
        print(json.dumps(facts))
    else:
        _print(findings, facts)
    return 1 if findings.failures else 0


def _rates(as_json: bool) -> int:
    found = rates()
    if as_json:
        print(json.dumps([asdict(rate) for rate in found]))
        return 0
    title = "Values of a form: times the rate of plain mpmath, on one thread"
    table = Table(title=title, title_justify="left")
    for column in ("form", "dtype", "K", "plain /s", "tier", "times", "range", "goal"):
        side: Literal["left", "right"] = "left" if column in ("form", "dtype", "tier") else "right"
        table.add_column(column, justify=side, no_wrap=True)
    for rate in found:
        measured = (f"{rate.plain_per_s:,.0f}", rate.contender, f"{rate.ratio:.1f}")
        spread = f"{rate.least:.0f}-{rate.most:.0f}"
        table.add_row(rate.form, rate.dtype, str(rate.classes), *measured, spread, f"{rate.goal:.0f}")
    Console().print(table)
    return 0


def _facts(findings: Findings, seconds: float) -> dict[str, Any]:
    return {
        "points": dict(findings.points),
        "certificates": dict(findings.certificates),
        "oracles": dict(findings.oracles),
        "highest_precision": findings.precision,
        "failures": findings.failures,
        "seconds": round(seconds, 1),
    }


def _print(findings: Findings, facts: dict[str, Any]) -> None:
    table = Table(title="Points at which the oracles were asked", title_justify="left")
    table.add_column("points", justify="right")
    table.add_column("kind")
    for kind, text in _KINDS.items():
        table.add_row(f"{findings.points[kind]:,}", text)
    console = Console()
    console.print(table)
    decided = ", ".join(f"{count:,} by {kind}" for kind, count in findings.certificates.most_common())
    behind = ", ".join(f"{name} at {count:,}" for name, count in findings.oracles.most_common())
    console.print(f"results decided: {decided}; oracles: {behind}", highlight=False, soft_wrap=True)
    console.print(f"highest precision {findings.precision} bits; {facts['seconds']} s", highlight=False)
    for failure in findings.failures:
        console.print(f"FAILED: {failure}", highlight=False, soft_wrap=True)
    verdict = f"{len(findings.failures)} failures" if findings.failures else "no undecided point, no disagreement"
    console.print(verdict, highlight=False)
