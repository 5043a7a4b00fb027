"""The report of a run as a list of sections: what was run and found, the tables, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.reference import FORMS
from lossbench.reports import accuracy, charts, landmarks
from lossbench.reports.blocks import Block, Bullets, Cell, Section, Table
from lossbench.reports.coverage import coverage, failures
from lossbench.reports.findings import (
    MAIN_DTYPES,
    choice,
    libraries_table,
    misses,
    offenders,
    plateaus,
)
from lossbench.reports.notation import GLOSSARY, SHORT
from lossbench.reports.results import Results
from lossbench.reports.throughput import Race, import_table, race_table, races, shapes_table, works


@dataclass(frozen=True)
class Detail:
    """How much a report shows.

    full: every dtype and every landmark, rankings a shape, and charts; else the main dtypes, the landmarks
    that somebody misses, and shapes side by side.
    """

    full: bool

    def dtypes(self, found: Sequence[str]) -> list[str]:
        """The dtypes to show out of those that were measured."""
        main = [dtype for dtype in found if dtype in MAIN_DTYPES]
        return list(found) if self.full or not main else main


def title_of(results: Results) -> str:
    """Heading of the report."""
    tier = results.plan.get("tier") or next(iter(results.rows["tier"]), "")
    return f"lossbench report{f', {tier} tier' if tier else ''}"


def sections(results: Results, detail: Detail) -> list[Section]:
    """Every section of the report, in reading order."""
    found = races(results)
    parts = [_run(results), _headlines(results, found, detail)]
    titles = accuracy.titles(results)
    if titles:
        forms = [_form(results, found, title, detail, first=title == titles[0]) for title in titles]
        parts.append(Section("Accuracy by form", "accuracy", [_ACCURACY_INTRO], forms))
        parts.append(_flush(results))
    else:
        parts.append(Section("Accuracy", "accuracy", ["This run measured no accuracy."]))
    parts.append(_speed(results, found, detail))
    parts.append(_coverage(results))
    parts.append(_glossary())
    return parts


_ACCURACY_INTRO = (
    "An error of 0.50 ulp is what rounding the exact value costs: no result is better. Errors are maxima "
    "over the finite results of a suite, lower bounds of the true maximum unless the suite is exhaustive. "
    "`✗12` counts results in a defect category, which no maximum includes; `✗` alone marks an error that "
    "leaves fewer than half of the digits."
)


def _run(results: Results) -> Section:
    """What was run, where, with which versions, and what was left out."""
    env, plan = results.environment, results.plan
    cpu = env.get("cpu") or {}
    platform = env.get("platform") or next(iter(results.rows["platform"]), "")
    facts = {
        "run": env.get("run_id") or next(iter(results.rows["run_id"]), ""),
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
        "units of work": plan.get("units"),
        "result rows": len(results.rows),
        "time": _time(plan),
    }
    lines = tuple(
        (Cell(name), Cell(_plain(value))) for name, value in facts.items() if value not in (None, "")
    )
    blocks: list[Block] = [Table("Run", ("what", "value"), lines), _versions(env)]
    if plan.get("complete") is False:
        blocks.append("This run is unfinished: what it had not measured yet is missing below.")
    left_out = [str(sentence) for sentence in plan.get("left_out") or []]
    blocks += (
        ["Left out of this run:", Bullets(tuple(left_out))] if left_out else ["The tier leaves nothing out."]
    )
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


def _headlines(results: Results, found: Sequence[Race], detail: Detail) -> Section:
    """Findings computed from the rows."""
    if not results.scores and not found:
        return Section("Findings", "findings", ["The run holds no measurement."])
    blocks: list[Block] = []
    if results.scores:
        bad, n = (sum(row[column] for row in results.scores) for column in ("n_bad", "n"))
        names = len({row["implementation"] for row in results.scores})
        blocks.append(
            f"{n} results of {names} implementations were scored against the exact value; {bad} of them are "
            f"defects: {', '.join(_totals(results)) or 'none'}."
        )
        blocks.append(libraries_table(results))
        for heading, items in (
            ("Landmarks missed, the most widespread first:", misses(results, 24 if detail.full else 16)),
            ("Plateaus, where a clamp or a threshold hides the input:", plateaus(results, 12)),
            ("Largest finite errors:", offenders(results, 12)),
        ):
            blocks += [heading, Bullets(tuple(items))] if items else []
        blocks.append(choice(results, list(found)))
    broken = failures(results)
    if broken:
        blocks += ["Units that failed:", Bullets(tuple(broken[:20]))]
    return Section("Findings", "findings", blocks)


def _totals(results: Results) -> list[str]:
    counts = {name: sum(row["bad"].get(name, 0) for row in results.scores) for name in BAD}
    return [f"{count} {name}" for name, count in counts.items() if count]


def _form(results: Results, found: Sequence[Race], title: str, detail: Detail, first: bool) -> Section:
    """Everything on the accuracy of one form."""
    chosen = detail.dtypes(accuracy.dtypes(results, title))
    blocks: list[Block] = [form.summary for form in FORMS if form.name == title.partition("[")[0]]
    if detail.full:
        drawn = (charts.heat_map(results, title), charts.speed_and_accuracy(results, found, title))
        blocks += [chart for chart in drawn if chart is not None]
    matrices = landmarks.matrices(results, title, chosen)
    blocks += landmarks.tables(results, matrices, only_missed=not detail.full)
    if not detail.full:
        clean = [f"{m.dtype} {m.quantity} ({m.encoding})" for m in matrices if landmarks.hits(m)]
        blocks += [f"Every implementation hits every landmark: {', '.join(clean)}."] if clean else []
    for dtype in chosen:
        blocks.append(accuracy.ranking(results, title, dtype))
        # suite by suite, the Markdown has one dtype: as much as a page of text can hold
        blocks += accuracy.suites(results, title, dtype) if detail.full or dtype == chosen[0] else []
    if detail.full:
        blocks.append(accuracy.worst_table(results, title, chosen, 40))
    else:
        worst = accuracy.worst_inputs(results, title, chosen, 6)
        blocks += ["Worst inputs:", Bullets(tuple(map(accuracy.worst_sentence, worst)))] if worst else []
    left = [dtype for dtype in accuracy.dtypes(results, title) if dtype not in chosen]
    if left:
        blocks.append(f"Also measured: {', '.join(left)}, in report.html and accuracy.csv.")
    return Section(title, f"form-{title}", blocks, folded=not first, tags={"form": title})


def _flush(results: Results) -> Section:
    if not results.probes:
        return Section("Flush-to-zero", "ftz", ["No library was probed for flush-to-zero."])
    text = (
        "A library that flushes treats subnormal numbers as zero. Its results are scored twice, by IEEE "
        "arithmetic and tolerant of the flush; LOST counts the zeros where another number belongs."
    )
    return Section("Flush-to-zero", "ftz", [text, accuracy.flush_to_zero(results)])


def _speed(results: Results, found: Sequence[Race], detail: Detail) -> Section:
    if not found:
        return Section("Throughput", "throughput", ["This run measured no throughput."])
    intro = (
        "Work class `F` is the value alone, `FB` the value and the gradient; classes are never compared. A "
        "result that is wrong disqualifies its timing. First call includes compilation. Where rounds overlap "
        "those of the fastest, no order can be told."
    )
    numerous = len({(race.threads, race.cache) for race in found}) > 1
    below = []
    for title in dict.fromkeys(race.title for race in found):
        own = [race for race in found if race.title == title]
        chosen = detail.dtypes(list(dict.fromkeys(race.dtype for race in own)))
        shown = [race for race in own if race.dtype in chosen]
        blocks: list[Block] = []
        if detail.full:
            drawn = charts.bars(results, found, title)
            blocks += [drawn] if drawn is not None else []
        for group in works(shown):
            blocks += [shapes_table(group)] if len(group) > 1 else []
            if detail.full or len(group) == 1:
                blocks += [race_table(race, numerous) for race in group]
        below.append(Section(title, f"speed-{title}", blocks, folded=True, tags={"form": title}))
    return Section("Throughput", "throughput", [intro, import_table(results)], below)


def _coverage(results: Results) -> Section:
    if not results.accuracy:
        return Section("Coverage", "coverage", ["This run holds no accuracy rows to cover."])
    table, reasons = coverage(results)
    text = "Calls measured of each library. `V`: only values, no gradient. `-`: none. [n]: why, listed below."
    return Section("Coverage", "coverage", [text, table, Bullets(tuple(reasons))])


def _glossary() -> Section:
    rows = tuple(
        (
            Cell(name),
            Cell(SHORT.get(name, "1.5 ulp")),
            Cell("yes" if name in BAD else "no"),
            Cell(GLOSSARY[name]),
        )
        for name in CATEGORIES
    )
    text = (
        "Each result falls into the first category that matches, in this order. ulp: the spacing of the "
        "dtype's numbers at the exact value. `flat`: the same wrong number at several points."
    )
    table = Table("Categories", ("category", "in tables", "defect", "meaning"), rows)
    return Section("Glossary", "glossary", [text, table])
