"""`lossbench list`: what exists and what can run here, with reasons for what cannot."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from lossbench.harness.adapters import adapter_of, libraries
from lossbench.harness.plan import implementations
from lossbench.harness.rows import CATEGORIES, implementation_id
from lossbench.reference import FORMS
from lossbench.reference.contract import CONTRACT
from lossbench.suites import SUITES

_METRICS = {
    "ulp": ("ulp", "|got - r| / ulp(r) with r the exact value; 0.5 is perfect; lower is better"),
    "ulp_ftz": ("ulp", "the same, subnormals flushed to zero forgiven; only where the probe saw flushing"),
    "rel": ("1", "|got - r| / |r|; lower is better"),
    "equivalence": ("ulp", "gap between two writings of the same label (index = one-hot, {0,1} = {-1,+1}, ...)"),
    "ftz": ("1", "1 where a product flushes subnormal inputs or results to zero"),
    "seconds": ("s", "median time of a call; lower is better"),
    "elements_per_s": ("1/s", "elements of the input a second; higher is better"),
    "gb_per_s": ("GB/s", "bytes that must move (F one read, FB one read and one write); higher is better"),
    "first_call_s": ("s", "first call, compilation included; lower is better"),
    "native_ratio": ("1", "time of a call over that of lossbench.native, in turns; above 1: native is faster"),
    "prepared_ratio": ("1", "the same against native's call that was checked once, by `prepare`, and is reused"),
    "import_s": ("s", "importing the library; lower is better"),
}


def _forms() -> list[dict[str, Any]]:
    return [
        {
            "form": f.name,
            "encodings": list(f.encodings),
            "options": list(f.accepts),
            "variants": list(f.variants),
            "formula": f.summary,
        }
        for f in FORMS
    ]


def _libraries() -> list[dict[str, Any]]:
    found = []
    for name in libraries():
        adapter = adapter_of(name)
        away = adapter.installed()
        found.append(
            {
                "library": name,
                "version": "" if away else adapter.version(),
                "calls": len({(c.form, c.name, c.options) for c in adapter.calls}),
                "modes": list(adapter.modes),
                "available": not away,
                "reason": away,
            }
        )
    return found


def _implementations() -> list[dict[str, Any]]:
    found = []
    for library, call, mode, device in implementations():
        adapter = adapter_of(library)
        forms = dict.fromkeys(c.form for c in adapter.calls if c.name == call)
        away = adapter.installed()
        found.append(
            {
                "id": implementation_id(library, call, mode, device),
                "library": library,
                "call": call,
                "mode": mode,
                "device": device,
                "forms": list(forms),
                "available": not away,
                "reason": away,
            }
        )
    return found


def _suites() -> list[dict[str, Any]]:
    return [
        {"suite": s.name, "looks at": s.doc.splitlines()[0], "regions": [r.name for r in s.regions]} for s in SUITES
    ]


def _metrics() -> list[dict[str, Any]]:
    rows = [{"metric": name, "unit": unit, "meaning": text} for name, (unit, text) in _METRICS.items()]
    return [*rows, {"metric": "categories", "unit": "n", "meaning": "counted apart: " + ", ".join(CATEGORIES)}]


def _contract() -> list[dict[str, Any]]:
    return [
        {
            "form": r.form,
            "quantity": r.quantity,
            "options": r.options,
            "x": repr(r.x),
            "y": "" if r.y is None else repr(r.y),
            "wants": repr(r.want),
            "rule": r.rule,
        }
        for r in CONTRACT
    ]


_TOPICS = {
    "forms": _forms,
    "implementations": _implementations,
    "suites": _suites,
    "metrics": _metrics,
    "libraries": _libraries,
    "contract": _contract,
}


def main(arguments: argparse.Namespace) -> int:
    """Print the asked topic, or all of them, as tables or JSON."""
    topics = [arguments.topic] if arguments.topic else list(_TOPICS)
    answer = {topic: _TOPICS[topic]() for topic in topics}
    if arguments.json:
        print(json.dumps(answer, indent=1))
        return 0
    console = Console()
    for topic, rows in answer.items():
        table = Table(title=topic, title_justify="left", show_lines=False)
        for column in rows[0]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_text(value) for value in row.values()))
        console.print(table)
    return 0


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(repr(v) if v == "" else str(v) for v in value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
