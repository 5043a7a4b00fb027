"""The report of a run as a list of sections: what was run and found, the tables, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.reference import FORMS
from lossbench.reports import accuracy, advice, duels, goals, landmarks, outcomes, semantics, speed_charts, worst
from lossbench.reports.blocks import Block, Bullets, Cell, Section, Table
from lossbench.reports.conventions import conventions
from lossbench.reports.coverage import coverage, failures
from lossbench.reports.findings import (
    MAIN_DTYPES,
    choice,
    libraries_table,
    misses,
    offenders,
    plateaus,
)
from lossbench.reports.heat_map import heat_map
from lossbench.reports.notation import GLOSSARY, SHORT
from lossbench.reports.provenance import names_table, what_was_run
from lossbench.reports.results import Results
from lossbench.reports.throughput import Race, import_table, race_table, races, shapes_table, untimed, works


@dataclass(frozen=True)
class Detail:
    """How much a report shows.

    full: every dtype and every landmark, rankings a shape, and charts; else the main dtypes, the landmarks
    that somebody misses, and shapes side by side. lean: tables by suite and by point for the main dtypes only.
    """

    full: bool
    lean: bool = False

    def dtypes(self, found: Sequence[str]) -> list[str]:
        """The dtypes to show out of those that were measured."""
        return list(found) if self.full else self.closely(found)

    def closely(self, found: Sequence[str]) -> list[str]:
        """The dtypes to show by suite and by point."""
        main = [dtype for dtype in found if dtype in MAIN_DTYPES]
        return list(found) if not main or (self.full and not self.lean) else main


def title_of(results: Results) -> str:
    """Heading of the report."""
    tier = results.plan.get("tier") or results.fact("tier")
    return f"lossbench report{f', {tier} tier' if tier else ''}"


def sections(results: Results, detail: Detail) -> list[Section]:
    """Every section of the report, in reading order."""
    meanings = semantics.sections(results.semantics, detail.full)
    if meanings:
        meanings.insert(1, advice.section(results.semantics, results.throughput))
    if meanings and not results.records:
        return [*meanings]
    found = races(results)
    parts = [what_was_run(results), _headlines(results, found, detail)]
    titles = accuracy.titles(results)
    if titles:
        forms = [_form(results, found, title, detail, first=title == titles[0]) for title in titles]
        parts.append(Section("Accuracy by form", "accuracy", [_ACCURACY_INTRO], forms))
        parts.append(conventions(results) if detail.full else conventions(results, MAIN_DTYPES, 40))
        parts.append(_flush(results))
    else:
        parts.append(Section("Accuracy", "accuracy", ["This run measured no accuracy."]))
    parts += meanings
    parts.append(_speed(results, found, detail))
    if found:
        parts.append(goals.section(results))
    parts.append(duels.section(results, detail.full))
    parts.append(_coverage(results))
    if detail.full and (results.scores or found):
        parts.append(Section("Names", "names", [names_table(results)]))
    parts.append(_glossary())
    return parts


_ACCURACY_INTRO = (
    "An error of 0.50 ulp is what rounding the exact value costs: no result is better. Errors are maxima "
    "over the finite results of a suite, lower bounds of the true maximum unless the suite is exhaustive. "
    "`✗12` counts results in a defect category, which no maximum includes; `✗` alone marks an error that "
    "leaves fewer than half of the digits."
)


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
    closely = detail.closely(chosen)
    matrices = landmarks.matrices(results, title, closely)
    if detail.full:
        drawn = [heat_map(results, title, dtype) for dtype in chosen]
        drawn.append(speed_charts.speed_and_accuracy(results, found, title))
        blocks += [chart for chart in drawn if chart is not None]
        blocks += landmarks.tables(results, matrices)
    else:
        blocks += outcomes.tables(results, title, matrices)
        clean = [f"{m.dtype} {m.quantity} ({m.encoding})" for m in matrices if landmarks.hits(m)]
        blocks += [f"No landmark is missed: {', '.join(clean)}."] if clean else []
    for dtype in chosen:
        blocks.append(accuracy.ranking(results, title, dtype, detail.full))
        measured = accuracy.quantities(results, title, dtype)
        # suite by suite, the Markdown has the value in one dtype: as much as a page of text can hold
        if dtype not in closely or not (detail.full or dtype == chosen[0]):
            continue
        for quantity in measured if detail.full else measured[:1]:
            blocks.append(accuracy.suites(results, title, dtype, quantity, by_labels=detail.full))
    if detail.full:
        blocks.append(worst.worst_table(results, title, chosen, 24))
    else:
        sentences = [worst.worst_sentence(r) for r in worst.worst_inputs(results, title, chosen, 6)]
        blocks += ["Worst inputs:", Bullets(tuple(sentences))] if sentences else []
    left = [dtype for dtype in accuracy.dtypes(results, title) if dtype not in closely]
    if left:
        where = "the heat maps and accuracy.csv" if detail.full else "report.html and accuracy.csv"
        blocks.append(f"By suite and by landmark, {' and '.join(left)} are in {where}.")
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
        "result that is wrong disqualifies its timing. First call includes compilation. `≈` marks what cannot be "
        "told from the fastest: medians within 10 %, overlapping rounds."
    )
    numerous = len({(race.threads, race.cache) for race in found}) > 1
    below = []
    for title in dict.fromkeys(race.title for race in found):
        own = [race for race in found if race.title == title]
        chosen = list(dict.fromkeys(race.dtype for race in own))
        chosen = chosen if detail.full else chosen[:1]
        shown = [race for race in own if race.dtype in chosen]
        blocks: list[Block] = []
        if detail.full:
            drawn = speed_charts.bars(results, found, title)
            blocks += [drawn] if drawn is not None else []
        for group in works(shown):
            blocks += [race_table(race, numerous) for race in group] if detail.full else [shapes_table(group)]
        left = [dtype for dtype in dict.fromkeys(race.dtype for race in own) if dtype not in chosen]
        blocks += [f"Also timed: {', '.join(left)}, in report.html and throughput.csv."] if left else []
        below.append(Section(title, f"speed-{title}", blocks, folded=True, tags={"form": title}))
    left_out = untimed(results)
    why: list[Block] = ["Not timed:", Bullets(tuple(left_out))] if left_out else []
    return Section("Throughput", "throughput", [intro, import_table(results), *why], below)


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
