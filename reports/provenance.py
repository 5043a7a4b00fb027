"""Where the results come from: what was run, on what, with which versions, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossbench.harness.rows import implementation_id
from lossbench.reports.blocks import Block, Bullets, Cell, Section, Table
from lossbench.reports.results import PAIR, Results


def what_was_run(results: Results) -> Section:
    """What was run, where, with which versions, and what was left out."""
    env, plan = results.environment, results.plan
    cpu = env.get("cpu") or {}
    platform = env.get("platform") or results.fact("platform")
    facts = {
        "run": env.get("run_id") or results.fact("run_id"),
        "started": env.get("started"),
        "tier and seed": ", ".join(str(plan[k]) for k in ("tier", "seed") if plan.get(k) is not None),
        "command": " ".join(map(str, plan.get("argv") or [])),
        "platform": platform,
        "CPU": ", ".join(
            part for part in (cpu.get("model"), f"{cpu['cores']} cores" if cpu.get("cores") else None) if part
        ),
        "threads": env.get("threads"),
        "Python": env.get("python"),
        "environment": env.get("variables") or None,
        "only": {name: chosen for name, chosen in (plan.get("filters") or {}).items() if chosen} or None,
        "exact values": env.get("exact"),
        "units of work": plan.get("units"),
        "result rows": len(results.rows),
        "time": _time(plan),
    }
    lines = tuple((Cell(name), Cell(_plain(value))) for name, value in facts.items() if value not in (None, ""))
    blocks: list[Block] = [Table("Run", ("what", "value"), lines), _versions(env)]
    if plan.get("complete") is False:
        blocks.append("This run is unfinished: what it had not measured yet is missing below.")
    left_out = [str(sentence) for sentence in plan.get("left_out") or []]
    blocks += ["Left out of this run:", Bullets(tuple(left_out))] if left_out else ["The tier leaves nothing out."]
    return Section("What was run", "run", blocks)


def _time(plan: Mapping[str, Any]) -> str:
    times = (("predicted", plan.get("predicted_s")), ("measured", plan.get("measured_s")))
    return ", ".join(f"{name} {value:.0f} s" for name, value in times if isinstance(value, int | float))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(entry)}" for key, entry in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _versions(env: Mapping[str, Any]) -> Table:
    devices = env.get("devices") or {}
    rows = []
    for name, entry in sorted((env.get("libraries") or {}).items()):
        known = entry if isinstance(entry, Mapping) else {"version": entry}
        usable = devices.get(name) or {}
        listed = ", ".join(device if not why else f"{device}: {why}" for device, why in usable.items())
        status = str(known.get("status", ""))
        rows.append((Cell(name), Cell(str(known.get("version") or "-")), Cell(status), Cell(listed)))
    return Table("Libraries", ("library", "version", "status", "devices"), tuple(rows))


def names_table(results: Results) -> Table:
    """Short name of every implementation -> the id that the command line takes."""
    found = {
        r["implementation"]: implementation_id(r["library"], r["call"], r["mode"], r["device"])
        for r in results.records
        if r["implementation"] and r["metric"] != PAIR
    }
    rows = tuple((Cell(name, code=True), Cell(found[name], code=True)) for name in sorted(found))
    notes = ("A name without a mode, where its call has several, stands for all of them.",)
    return Table("Names in this report, and ids for `--impl`", ("name", "id"), rows, notes=notes)
