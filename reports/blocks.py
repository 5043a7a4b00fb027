"""What a report is made of: sections of paragraphs, lists, tables and charts, whatever they are written as.

Text may hold `code` between backticks and no other markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    text: what stands in it. sort: number that it sorts by, where the text does not say. tone: good, fair,
    poor, bad or none, shown as a colour beside the text. note: a remark after the text, such as a category.
    code: whether the text is a name to be copied.
    """

    text: str
    sort: float | None = None
    tone: str = ""
    note: str = ""
    code: bool = False

    @property
    def plain(self) -> str:
        """Text and note in one line."""
        return f"{self.text} {self.note}".strip()


#: A cell for which there is no measurement.
EMPTY = Cell("·", tone="none")


@dataclass(frozen=True)
class Table:
    """A table.

    columns: headings; one that starts with `>` stands over right-aligned cells. fixed: number of leading
    columns that are repeated when a table is too wide and has to be split. head: leading rows that belong to
    the heading, such as the exact values. tags: what the table is about (form, dtype), for filters.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    fixed: int = 1
    head: int = 0
    notes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row of {len(row)} cells for {len(self.columns)} columns")

    def without_blank(self, column: str) -> Table:
        """The table, without `column` where that says `-` in every row."""
        i = self.columns.index(column)
        if any(row[i].text != "-" for row in self.rows):
            return self
        rows = tuple((*row[:i], *row[i + 1 :]) for row in self.rows)
        columns = (*self.columns[:i], *self.columns[i + 1 :])
        return replace(self, columns=columns, rows=rows, fixed=self.fixed - (i < self.fixed))


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart, for the page only. summary: one sentence that says what is to be seen in it."""

    title: str
    summary: str
    spec: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


Block = str | Bullets | Table | Chart


@dataclass(frozen=True)
class Section:
    """A heading with its blocks and the sections below it. folded: may be shown closed at first."""

    title: str
    anchor: str
    blocks: Sequence[Block] = ()
    sections: Sequence[Section] = ()
    folded: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
