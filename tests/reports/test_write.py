"""The written reports: complete, deterministic, offline."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import vl_convert

from lossbench.harness.rows import RowFile
from lossbench.reports import document, page
from lossbench.reports.blocks import Cell, Table
from lossbench.reports.markdown import WIDTH, parts
from lossbench.reports.results import Results
from lossbench.reports.write import write_reports
from tests.reports import synthetic

NAMES = ["rows.parquet", "accuracy.csv", "throughput.csv", "report.md", "report.html"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = synthetic.write_run(tmp_path_factory.mktemp("written"))
    assert [path.name for path in write_reports(folder)] == NAMES
    return folder


def test_rendering_again_changes_nothing(written: Path) -> None:
    before = {name: (written / name).read_bytes() for name in NAMES}
    write_reports(written)
    assert {name: (written / name).read_bytes() for name in NAMES} == before


def test_markdown_reads_in_order(written: Path) -> None:
    text = (written / "report.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == [
        *("What was run", "Findings", "Accuracy by form", "Label conventions", "Flush-to-zero"),
        *("Throughput", "Goals", "Native against its rivals", "Coverage", "Glossary"),
    ]
    for expected in (
        "linux-x86_64-v3-intel",
        "predicted 60 s, measured 72 s",
        "2.13.0",
        "not in the quick tier",
    ):
        assert expected in text


def test_markdown_tables_are_about_as_wide_as_promised(written: Path) -> None:
    lines = (written / "report.md").read_text("utf-8").splitlines()
    # a remark or a list of categories may need more, it is never split
    wide = [line for line in lines if line.startswith("|") and len(line) > WIDTH + 30]
    assert wide == []


def test_markdown_tables_have_as_many_cells_in_every_line(written: Path) -> None:
    text = (written / "report.md").read_text("utf-8")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1, block


def test_wide_tables_are_split_after_their_fixed_columns() -> None:
    table = Table("t", ("name", *(f">column {i}" for i in range(12))), ((Cell("x" * 30), *[Cell("1")] * 12),))
    split = parts(table, WIDTH)
    assert len(split) > 1
    assert all(part[0] == 0 for part in split)
    assert [i for part in split for i in part[1:]] == list(range(1, 13))


def test_page_loads_nothing(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    assert "default-src 'none'" in text
    outside = text.replace(vl_convert.javascript_bundle().replace("</script", "<\\/script"), "")
    assert len(outside) < len(text) - 500_000, "one copy of Vega is in the page"
    assert "http" not in outside.replace("http-equiv", "")
    assert re.search(r"(?:src=|@import|url\()", outside) is None
    assert len(text) < 4_000_000


def test_page_is_well_formed(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    opened: list[str] = []

    class Checker(HTMLParser):
        # elements whose end tag HTML lets out, and the page does
        free = frozenset({"meta", "html", "input", "tr", "td", "th", "thead", "tbody", "option"})

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in self.free:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in self.free:
                assert opened.pop() == tag

    Checker().feed(text)
    assert opened == []


def test_a_page_that_would_be_too_large_leaves_out_lesser_dtypes(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page.page(results)
    monkeypatch.setattr(page, "LIMIT", 1000)
    monkeypatch.setattr(document, "MAIN_DTYPES", ("float32",))
    lean = page.page(results)
    assert "By suite and by landmark, float64 are in the heat maps and accuracy.csv." in lean
    assert len(lean) < len(whole)


def test_sort_keys_stand_beside_what_the_script_cannot_read(written: Path) -> None:
    assert page._reads_as("386 M", 3.86e8)
    assert page._reads_as("1.72x", 1.72)
    assert page._reads_as("inf", math.inf)
    assert not page._reads_as("0 of 5", 0.2)
    assert not page._reads_as("-", 1.0)


def test_charts_of_the_page_compile(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    specs = re.findall(r"<script type=application/json>(.*?)</script>", text, re.S)
    assert len(specs) == 12  # a heat map a dtype and two charts of speed, for each form
    for spec in specs[:2] + specs[-1:]:
        compiled = vl_convert.vegalite_to_vega(json.loads(spec), vl_version=vl_convert.get_vegalite_versions()[-1])
        assert compiled["marks"]


@pytest.mark.parametrize(
    ("accuracy", "throughput", "said"),
    [
        (True, False, "This run measured no throughput."),
        (False, True, "This run measured no accuracy."),
        (False, False, "The run holds no measurement."),
    ],
    ids=["accuracy only", "throughput only", "nothing"],
)
def test_partial_runs_say_so(tmp_path: Path, accuracy: bool, throughput: bool, said: str) -> None:
    folder = synthetic.write_run(tmp_path, accuracy=accuracy, throughput=throughput)
    assert [path.name for path in write_reports(folder)] == NAMES
    for name in ("report.md", "report.html"):
        assert said in (folder / name).read_text("utf-8")


def test_rows_alone_are_enough(tmp_path: Path) -> None:
    synthetic.write_run(tmp_path)
    (tmp_path / "env.json").unlink()
    (tmp_path / "plan.json").unlink()
    write_reports(tmp_path)
    assert "linux-x86_64-v3-intel" in (tmp_path / "report.md").read_text("utf-8")


def test_text_of_results_cannot_break_the_page(tmp_path: Path) -> None:
    call = "<script>alert(1)</script>|`x`"
    case = {
        "got": "</script>",
        "want": "1",
        "worst_category": "FINITE",
        "value": 9.0,
        "n": 1,
        "counts": {"FINITE": 1},
    }
    row = synthetic.row("numpy", "softplus", call=call, mode="numpy", suite="landmarks", region="x=<b>", **case)
    RowFile(tmp_path / "rows.jsonl").append("u", [row])
    write_reports(tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<b>" not in text
