"""The report as one HTML file that opens from `file://` and loads nothing."""

from __future__ import annotations

import html
import json
import math
import re
from functools import cache
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lossbench.reports.blocks import Block, Bullets, Cell, Chart, Section, Table
from lossbench.reports.document import Detail, sections, title_of
from lossbench.reports.results import Results

#: Bytes that a page may have.
LIMIT = 3_900_000
#: Accuracy rows above which the whole page has always been larger than that.
_MANY = 80_000
_PREFIXES = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}
_TONES = {"good": "g", "fair": "f", "poor": "p", "bad": "b", "none": "n"}


def page(results: Results) -> str:
    """Return the page of a run: the sections of the Markdown report in full, with charts and filters.

    A page that would grow beyond LIMIT leaves the tables by suite and by point of the lesser dtypes to the
    heat maps and the CSV file, and says so.
    """
    if len(results.scores) <= _MANY:
        whole = _page(results, Detail(full=True))
        if len(whole.encode()) <= LIMIT:
            return whole
    return _page(results, Detail(full=True, lean=True))


def _page(results: Results, detail: Detail) -> str:
    parts = sections(results, detail)
    forms = list(dict.fromkeys(s.tags["form"] for part in parts for s in part.sections if "form" in s.tags))
    environment = Environment(
        loader=PackageLoader("lossbench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title_of(results),
        sections=parts,
        render=_render,
        forms=forms,
        dtypes=_dtypes(parts),
        charted=any(isinstance(block, Chart) for part in parts for block in _all_blocks(part)),
        vega=_vega(),
    )


@cache
def _vega() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script, from the installed vl-convert: no network."""
    module: Any = vl_convert  # its stub lacks the defaults of the arguments
    return Markup(module.javascript_bundle().replace("</script", "<\\/script"))


def _dtypes(parts: list[Section]) -> list[str]:
    blocks = (block for part in parts for block in _all_blocks(part))
    return list(dict.fromkeys(b.tags["dtype"] for b in blocks if isinstance(b, Table) and "dtype" in b.tags))


def _all_blocks(section: Section) -> list[Block]:
    return [*section.blocks, *(block for below in section.sections for block in _all_blocks(below))]


def _render(block: Block) -> Markup:
    """One block as HTML."""
    if isinstance(block, str):
        return Markup(f"<p>{_inline(block)}</p>")
    if isinstance(block, Bullets):
        return Markup("<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in block.items) + "</ul>")
    return _table(block) if isinstance(block, Table) else _chart(block)


def _inline(text: str) -> str:
    """Escape a text and set its backticked parts as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _table(table: Table) -> Markup:
    if not table.rows:
        return Markup("")
    heads = "".join(
        f"<th{' class=r' if column.startswith('>') else ''}><button>{_inline(column.lstrip('>'))}</button>"
        for column in table.columns
    )
    right = [column.startswith(">") for column in table.columns]
    body = "".join(
        ("<tr class=x>" if i < table.head else "<tr>") + _row(row, right) for i, row in enumerate(table.rows)
    )
    tags = "".join(f' data-{name}="{html.escape(value)}"' for name, value in table.tags.items())
    names = '"t k"' if all(row[0].code for row in table.rows[table.head :]) else "t"
    notes = "".join(f"<p class=note>{_inline(note)}</p>" for note in table.notes)
    return Markup(
        f"<figure class={names}{tags}><figcaption>{_inline(table.title)}</figcaption>"
        f"<div class=w tabindex=0><table><thead><tr>{heads}<tbody>{body}</table></div>{notes}</figure>"
    )


def _row(row: tuple[Cell, ...], right: list[bool]) -> str:
    """Cells of a row, without what HTML lets out (end tags) and the style sheet does (names come first)."""
    return "".join(_cell(cell, r, first=i == 0) for i, (cell, r) in enumerate(zip(row, right, strict=True)))


def _cell(cell: Cell, right: bool, first: bool) -> str:
    name = _TONES.get(cell.tone, "r" if right else "")
    name = name.upper() if right else name  # capitals: the same shade, aligned to the right
    attributes = f" class={name}" if name else ""
    if cell.sort is not None and not _reads_as(cell.text, cell.sort):
        attributes += f' data-s="{cell.sort:.4g}"'
    text = html.escape(cell.text, quote=False)
    body = f"<code>{text}</code>" if cell.code and cell.text and not first else text
    note = html.escape(cell.note, quote=False)
    if note:
        body += f" {note}" if cell.tone == "good" else f" <i>{note}</i>"
    return f"<td{attributes}>{body}"


def _reads_as(text: str, value: float) -> bool:
    """Whether the page's script reads `value` out of the text: a number, with an SI prefix perhaps."""
    match = re.match(r"([-+]?[.\d]+(?:e[-+]?\d+)?) ?([TGMkmµn]?)", text)
    if match is None:
        return text == "inf" and value == math.inf
    return math.isclose(float(match[1]) * _PREFIXES[match[2]], value, rel_tol=0.05)


def _chart(chart: Chart) -> Markup:
    spec = json.dumps(_finite(chart.spec), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    tags = "".join(f' data-{name}="{html.escape(value)}"' for name, value in chart.tags.items())
    # inside a string "</script" would end the element, and "<!--" hide what follows
    spec = spec.replace("<", "\\u003c")
    return Markup(
        f"<figure class=c{tags}><figcaption>{_inline(chart.title)}</figcaption>"
        f"<p class=note>{_inline(chart.summary)}</p><div class=v></div>"
        f"<script type=application/json>{spec}</script></figure>"
    )


def _finite(spec: Any) -> Any:
    """Check that a specification is JSON: NaN and infinities are not."""
    json.dumps(spec, allow_nan=False)
    return spec
