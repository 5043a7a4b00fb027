"""What the gate found: one verdict a cell, and the exit code and the text of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lossbench.harness.rows import implementation_id
from lossbench.reports.baseline import Cell

OK, REGRESSION, NOTHING_COMPARABLE = 0, 1, 3


@dataclass(frozen=True)
class Verdict:
    """What became of one cell. before, after: error and defects, or why there is no measurement."""

    cell: Cell
    before: str
    after: str
    why: str

    def __str__(self) -> str:
        c = self.cell
        labels = "" if c["encoding"] == "-" else f" {c['encoding']}"
        options = f"[{c['options']}]" if c["options"] else ""
        shape = f" K={c['shape']}" if c["shape"] not in ("", "1") else ""
        return (
            f"{implementation(c)} {c['form']}{options}{labels} {c['quantity']} {c['dtype']} "
            f"{c['suite']}/{c['region']}{shape}: "
            f"{self.before or 'not there'} -> {self.after or 'not there'} ({self.why})"
        )

    @property
    def replay(self) -> str:
        """The command that measures the cell again."""
        c = self.cell
        tier = f" --{c['tier']}" if c["tier"] in ("quick", "full") else ""
        return (
            f"lossbench run{tier} --form {c['form']} --impl '{implementation(c)}' --suite {c['suite']} "
            f"--dtype {c['dtype']}"
        )


@dataclass(frozen=True)
class Verdicts:
    """The outcome of a comparison.

    compared: number of cells with equal tier and suite_hash. excused: baseline cells whose library is not
    installed. unlike: baseline cells of the tier drawn from other inputs. unplanned: left out by filters.
    """

    compared: int = 0
    regressions: tuple[Verdict, ...] = ()
    improvements: tuple[Verdict, ...] = ()
    new: tuple[Verdict, ...] = ()
    excused: int = 0
    unlike: int = 0
    unplanned: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 ok, 1 regression, 3 nothing comparable."""
        if self.compared == 0:
            return NOTHING_COMPARABLE
        return REGRESSION if self.regressions else OK

    def text(self, limit: int = 50) -> str:
        """The outcome for a terminal, at most `limit` cells of a kind."""
        lines = []
        for name, verdicts in (
            ("regression", self.regressions),
            ("improvement", self.improvements),
            ("new cell", self.new),
        ):
            lines += [f"{name}: {verdict}" for verdict in verdicts[:limit]]
            if len(verdicts) > limit:
                lines.append(f"... and {len(verdicts) - limit} more of this kind")
        lines += [f"replay: {command}" for command in dict.fromkeys(v.replay for v in self.regressions[:5])]
        lines += self.remarks
        for count, what in (
            (self.excused, "not compared: the library is not installed"),
            (self.unlike, "not compared: drawn from other inputs (suite_hash differs)"),
            (self.unplanned, "not compared: left out by the filters of the run"),
        ):
            lines += [f"{_cells(count)} {what}"] if count else []
        if self.improvements or self.new:
            lines.append("`lossbench accept` makes what was measured the new baseline")
        if self.compared == 0:
            lines.append("nothing comparable: no baseline cell has the tier and the inputs of this run")
        elif self.regressions:
            lines.append(f"{len(self.regressions)} regressions: {_cells(self.compared)} compared")
        else:
            lines.append(f"no regressions: {_cells(self.compared)} compared")
        return "\n".join(lines) + "\n"

    def document(self) -> dict[str, Any]:
        """The outcome as JSON-ready data."""
        kinds = {"regressions": self.regressions, "improvements": self.improvements, "new": self.new}
        found = {
            name: [{"cell": v.cell, "before": v.before, "after": v.after, "why": v.why} for v in verdicts]
            for name, verdicts in kinds.items()
        }
        counts = {"compared": self.compared, "excused": self.excused}
        return {
            "exit_code": self.exit_code,
            **counts,
            "unlike": self.unlike,
            "unplanned": self.unplanned,
            **found,
        }


def implementation(cell: Cell) -> str:
    """Id of the implementation that a cell is about."""
    return implementation_id(cell["library"], cell["call"], cell["mode"], cell["device"])


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
