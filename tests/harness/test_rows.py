"""The row file keeps what is finished: it survives kills, and gives back the numbers that went in."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from lossbench.harness.rows import (
    BAD,
    CATEGORIES,
    KEY,
    Row,
    RowFile,
    implementation_id,
    schema,
    without_paths,
)

NAN, INF = math.nan, math.inf

ROW = Row(
    form="sigmoid_bce", encoding="soft", options="", quantity="grad:z", reduction="none", library="torch",
    call="nn.functional.x", mode="eager", device="cpu", threads=0, dtype="float32", out_dtype="float32",
    suite="landmarks", suite_hash="0123456789ab", tier="quick", region="z=1 y=0", shape="1", work_class="",
    cache="", metric="ulp",
    value=0.5, unit="ulp", n=3, counts={"CR": 2, "LOST": 1}, lo=0.25, hi=0.75, worst_input="z=0x1p+0 y=0x0p+0",
    got="0.5", want="0.25", worst_category="LOST", bound="sampled", verdict="defect", status="measured",
    reason="", library_version="1.2", platform="linux-x86_64-v3-amd", run_id="r",
)  # fmt: skip
ABSENT = dataclasses.replace(
    ROW, value=None, lo=None, hi=None, n=0, counts={}, unit="", got="", want="", worst_input="",
    worst_category="", bound="", verdict="", status="raised", reason='ValueError: "no"\n\tü – 損失',
)  # fmt: skip

#: What a kill may leave of the last line: cut anywhere, in the middle of a character too.
CUTS = (1, 2, 9, 40, -30, -2, -1)


@pytest.fixture
def file(tmp_path):
    return RowFile(tmp_path / "rows.jsonl")


def read(file: RowFile) -> dict[str, list[Row]]:
    return {unit: [Row(**row) for row in rows] for unit, rows in file.units()}


def test_rows_come_back_as_they_went(file):
    file.append("a", [ROW, ABSENT])
    file.append("b", iter([ABSENT]))
    file.append("c", [])
    assert read(file) == {"a": [ROW, ABSENT], "b": [ABSENT], "c": []}
    assert file.finished() == {"a", "b", "c"}


def test_order_is_that_of_the_appends(file):
    for unit in ("b", "a", "c"):
        file.append(unit, [ROW])
    assert [unit for unit, _ in file.units()] == ["b", "a", "c"]


@pytest.mark.parametrize("value", [0.0, -0.0, INF, -INF, 5e-324, 1 / 3, 1.7976931348623157e308, NAN])
@pytest.mark.parametrize("column", ["value", "lo", "hi"])
def test_numbers_survive(file, column, value):
    file.append("a", [dataclasses.replace(ROW, **{column: value})])
    back = getattr(read(file)["a"][0], column)
    assert (math.isnan(back) and math.isnan(value)) or (
        back == value and math.copysign(1, back) == math.copysign(1, value)
    )


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Row)])
def test_an_empty_column_is_told_from_a_default(file, name):
    """Columns that are left out of the file come back empty, whatever Row's defaults are."""
    empty = {"threads": 0, "n": 0, "value": None, "lo": None, "hi": None, "counts": {}}.get(name, "")
    row = dataclasses.replace(ROW, **{name: empty})
    file.append("a", [row])
    assert read(file)["a"] == [row]


def test_no_file_is_no_units(file):
    assert list(file.units()) == []
    assert file.finished() == set()


@pytest.mark.parametrize("cut", CUTS)
def test_a_line_cut_short_is_ignored_and_the_next_one_is_read(file, cut):
    file.append("a", [ROW])
    whole = len(file.path.read_bytes())
    file.append("b", [ABSENT])
    data = file.path.read_bytes()
    file.path.write_bytes(data[: whole + cut] if cut > 0 else data[:cut])
    killed_before_the_newline = cut == -1
    assert file.finished() == ({"a", "b"} if killed_before_the_newline else {"a"})
    file.append("c", [ABSENT])
    kept = read(file)
    assert kept.pop("a") == [ROW]
    assert kept.pop("c") == [ABSENT]
    assert set(kept) == ({"b"} if killed_before_the_newline else set())


def test_a_cut_unit_can_be_measured_again(file):
    file.append("a", [ROW])
    file.path.write_bytes(file.path.read_bytes()[:-20])
    file.append("a", [ROW])
    assert [(unit, [Row(**row) for row in rows]) for unit, rows in file.units()] == [("a", [ROW])]


def test_a_unit_is_one_line(file):
    file.append("a", [ROW, ABSENT])
    text = file.path.read_bytes().decode("ascii")
    assert text.count("\n") == 1 and text.endswith("\n")
    assert set(json.loads(text)) == {"unit", "rows"}


def test_every_column_is_documented():
    described = schema()
    assert list(described) == [f.name for f in dataclasses.fields(Row)]
    for name, text in described.items():
        assert len(text.split()) >= 2, name
    assert len(set(described.values())) == len(described)


def test_key_is_what_identifies_a_measurement():
    assert KEY == (
        "form", "encoding", "options", "quantity", "reduction", "library", "call", "mode", "device", "threads",
        "dtype", "out_dtype", "suite", "suite_hash", "tier", "region", "shape", "work_class", "cache", "metric",
    )  # fmt: skip
    required = [f.name for f in dataclasses.fields(Row) if f.default is f.default_factory]
    assert tuple(required) == KEY  # a row cannot be made without its key


def test_bad_categories_come_first():
    assert CATEGORIES[: len(BAD)] == BAD
    assert set(CATEGORIES) - set(BAD) == {"CR", "FAITHFUL", "FINITE"}


def test_implementation_id():
    assert implementation_id("torch", "nn.functional.f", "eager", "cpu") == "torch:nn.functional.f:eager:cpu"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("ImportError: /opt/x/y/libfake.so.1: cannot open", "ImportError: libfake.so.1: cannot open"),
        ('File "/srv/me/a.py", line 3', 'File "a.py", line 3'),
        ("a ratio 1/2 and https://example.org/a/b stay", "a ratio 1/2 and https://example.org/a/b stay"),
    ],
)
def test_no_path_gets_into_a_reason(text, want):
    assert without_paths(text) == want
