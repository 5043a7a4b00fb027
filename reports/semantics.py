"""What calls mean, as sections: the matrix of conventions, the formulas followed, special values, laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lossbench.harness.adapters import adapter_of
from lossbench.harness.semantics.ask import DTYPE
from lossbench.harness.semantics.conventions import COLUMNS
from lossbench.harness.semantics.laws import LAWS
from lossbench.harness.semantics.verdicts import DIED, NAN, NONE, RAISES, RIGHT, SILENT, VERDICTS, WARNED_WRONG, WARNS
from lossbench.reports.blocks import Block, Bullets, Cell, Section, Table
from lossbench.reports.defects import findings
from lossbench.reports.documented import entry_of
from lossbench.reports.listing import section
from lossbench.reports.notation import form_rank

Record = Mapping[str, Any]
#: What stands in the matrix for a verdict, and its tone.
SIGNS = {
    RIGHT: ("✓", "good"), WARNS: ("W", "fair"), RAISES: ("E", "fair"), NAN: ("NaN", "poor"),
    WARNED_WRONG: ("W✗", "poor"), SILENT: ("✗", "bad"), DIED: ("†", "bad"), NONE: ("-", "none"),
}  # fmt: skip
_KEY = (
    "✓ right, E raises, W right with a warning, NaN visible as a NaN or an infinity, ✗ silently wrong, W✗ wrong with "
)
_KEY += "a warning, † the process ended, - not applicable (why: semantics.json), * documented."


def sections(found: Mapping[str, Any], full: bool) -> list[Section]:
    """The sections of semantics.json; none of an empty one. full: every call, else those with something to say."""
    if not found:
        return []
    return [
        section(findings(found)),
        _conventions(found, full),
        _formulas(found),
        _special(found, full),
        _laws(found, full),
    ]


def _title(form: str, options: str) -> str:
    return f"{form}[{options}]" if options else form


def by_call(records: Sequence[Record]) -> dict[tuple[str, str, str], dict[str, list[Record]]]:
    """(form title, library, call) -> mode, or format where it is not float32 -> its records."""
    found: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    for r in records:
        key = (_title(r["form"], r["options"]), r["library"], r["call"])
        found.setdefault(key, {}).setdefault(_variant(r), []).append(r)
    return dict(sorted(found.items(), key=lambda item: (form_rank(item[0][0]), item[0][1])))


def _variant(r: Record) -> str:
    if r["dtype"] == DTYPE:
        return str(r["mode"])
    first = r["mode"] == adapter_of(r["library"]).modes[0]
    return str(r["dtype"]) if first else f"{r['mode']} {r['dtype']}"


def _folded(lines: Mapping[str, tuple[Cell, ...]]) -> list[tuple[str, tuple[Cell, ...]]]:
    """Modes and formats with equal cells share a line: `jit, float64`, and "" where all agree."""
    groups: dict[tuple[Cell, ...], list[str]] = {}
    for mode, cells in lines.items():
        groups.setdefault(cells, []).append(mode)
    return [("" if len(groups) == 1 else ", ".join(modes), cells) for cells, modes in groups.items()]


def _conventions(found: Mapping[str, Any], full: bool) -> Section:
    records = found["conventions"]
    silent = [r for r in records if r["verdict"] == SILENT]
    asked = [r for r in records if r["verdict"] != NONE]
    text = (
        f"{len(asked)} cells of {len({(r['library'], r['call']) for r in records})} calls were asked about labels in "
        f"{len(COLUMNS)} conventions, and held against the certified value of what those labels mean; "
        f"{len(silent)} are silently wrong. {len(records) - len(asked)} do not apply, each with its reason."
    )
    blocks: list[Block] = [text, _summary(records), _KEY]
    below = []
    rows: dict[str, list[tuple[Cell, ...]]] = {}
    for (title, library, call), modes in by_call(records).items():
        lines = {mode: tuple(_sign(r) for r in own) for mode, own in modes.items()}
        for mode, cells in _folded(lines):
            if full or any(c.text.startswith("✗") for c in cells):
                name = Cell(f"{library}:{call}{mode and ':' + mode}", code=True)
                rows.setdefault(title, []).append((name, *cells))
    for title, lines_of in rows.items():
        table = Table(f"Labels into {title}", ("call", *COLUMNS), tuple(lines_of))
        below.append(Section(title, f"labels-{title}", [table], folded=True))
    columns = Bullets(tuple(f"{name}: {meaning}" for name, meaning in COLUMNS.items()))
    return Section("Label conventions by call", "semantics", [*blocks, "The conventions:", columns], below)


def _sign(record: Record) -> Cell:
    text, tone = SIGNS[record["verdict"]]
    star = record["verdict"] in (SILENT, NAN) and entry_of("conventions", record) is not None
    return Cell(text + "*" * star, tone="fair" if star else tone)


def _summary(records: Sequence[Record]) -> Table:
    lines = []
    for library in sorted({r["library"] for r in records}):
        own = Counter(r["verdict"] for r in records if r["library"] == library)
        lines.append((Cell(library), *(Cell(str(own[name]), sort=own[name]) for name in VERDICTS)))
    return Table("Verdicts by library", ("library", *(f">{name}" for name in VERDICTS)), tuple(lines))


def _formulas(found: Mapping[str, Any]) -> Section:
    lines = []
    for r in sorted(found["formulas"], key=lambda r: (r["question"], r["library"])):
        tone = {True: "good", False: "bad"}.get(r.get("agrees"), "fair" if r["follows"] == "none of the named" else "")
        says = Cell(r["follows"], tone=tone, note=r["remark"][:80])
        lines.append((Cell(r["question"]), Cell(r["library"]), says, Cell(r["expression"], code=True)))
    text = "Smoothing, weights and means have more than one definition. This table says which one a call follows."
    table = Table("Formulas followed", ("question", "library", "answer", "call"), tuple(lines), fixed=1)
    return Section("Formulas followed", "formulas", [text, table])


def special_verdict(record: Record) -> str:
    """right, documented, differs or raises."""
    if record["verdict"] == "differs" and entry_of("special", record) is not None:
        return "documented"
    return str(record["verdict"])


def _special(found: Mapping[str, Any], full: bool) -> Section:
    lines = []
    for (title, library, call), modes in by_call(found["special"]).items():
        cells = {}
        for mode, own in modes.items():
            tally = Counter(special_verdict(r) for r in own)
            wrong = [f"{r['point']} {r['quantity']}" for r in own if special_verdict(r) == "differs"]
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            cells[mode] = (
                *(Cell(str(tally[name]), sort=tally[name]) for name in ("right", "documented")),
                Cell(str(tally["differs"]), sort=tally["differs"], tone="bad" if tally["differs"] else "good"),
                Cell(str(tally["raises"]), sort=tally["raises"], tone="fair" if tally["raises"] else ""),
                Cell("; ".join(wrong[:3]) + more),
            )
        for mode, line in _folded(cells):
            if full or line[2].text != "0":
                name = Cell(f"{library}:{call}{mode and ':' + mode}", code=True)
                lines.append((Cell(title, code=True), name, *line))
    text = (
        "The contract fixes what every form is at infinities, NaN, signed zeros, masked classes and degenerate rows. "
        "Documented: the library says so, in the files below reports/documented with their links."
    )
    columns = ("form", "call", ">right", ">documented", ">differs", ">raises", "where it differs")
    table = Table("Special values", columns, tuple(lines), fixed=2)
    links = dict.fromkeys(
        f"{r['library']}: {entry.says} ({entry.link})"
        for r in found["special"] if r["verdict"] == "differs" and (entry := entry_of("special", r))
    )  # fmt: skip
    return Section("Special values", "special", [text, table, "Documented differences:", Bullets(tuple(links))])


def _laws(found: Mapping[str, Any], full: bool) -> Section:
    names = [law.name for law in LAWS]
    lines = []
    for (title, library, call), modes in by_call(found["laws"]).items():
        cells = {}
        for mode, own in modes.items():
            held = {r["law"]: r for r in own}
            cells[mode] = tuple(_law(held.get(name)) for name in names)
        for mode, line in _folded(cells):
            if full or any(cell.tone == "bad" for cell in line):
                name = Cell(f"{library}:{call}{mode and ':' + mode}", code=True)
                lines.append((Cell(title, code=True), name, *line))
    text = (
        "Laws that hold on paper, measured without any reference: the distance of two answers in ulps of the format. "
        "`=` to the last bit, ✗ fewer than half of the digits agree, * documented, - the law is none for the call, or "
        "not asked in this format."
    )
    table = Table("Laws", ("form", "call", *names), tuple(lines), fixed=2)
    meanings = Bullets(tuple(f"{law.name}: {law.text}" for law in LAWS))
    return Section("Laws", "laws", [text, table, meanings])


def _law(record: Record | None) -> Cell:
    if record is None:
        return Cell("-", tone="none")
    if record["verdict"] == "broken":
        star = entry_of("laws", record) is not None
        return Cell("✗" + "*" * star, tone="fair" if star else "bad")
    ulps = record["ulps"]
    if ulps == 0:
        return Cell("=", tone="good")
    return Cell(f"{ulps:.0f}", sort=ulps, tone="good" if record["verdict"] == "holds" else "fair")
