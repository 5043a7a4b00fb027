"""Tables of accuracy show the defects that the made-up run has."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lossbench.harness.rows import RowFile
from lossbench.reports import accuracy, conventions, coverage, landmarks, outcomes, worst
from lossbench.reports.blocks import Table
from lossbench.reports.results import Results, load
from tests.reports import synthetic


def column(table: Table, name: str) -> list[str]:
    i = [heading.lstrip(">") for heading in table.columns].index(name)
    return [row[i].plain for row in table.rows]


def line(table: Table, name: str) -> dict[str, str]:
    headings = [heading.lstrip(">") for heading in table.columns]
    row = next(row for row in table.rows if any(cell.text == name for cell in row))
    return dict(zip(headings, (cell.plain for cell in row), strict=True))


def test_summary_keeps_defects_out_of_the_maximum(results: Results) -> None:
    (total,) = [
        r for r in accuracy.summary(results.errors["softplus"], ("implementation", "dtype"))
        if r["implementation"] == "numpy:log(1+exp(x))" and r["dtype"] == "float32"
    ]  # fmt: skip
    assert total["bad"] == {"SPURIOUS_INF": 2 + 12, "LOST": 36 + 4}
    assert total["n_bad"] == sum(total["bad"].values())
    assert math.isfinite(total["worst"])


def test_ranking_puts_defects_last(results: Results) -> None:
    table = accuracy.ranking(results, "sigmoid_bce", "float32", full=True)
    names = column(table, "implementation")
    assert names[0] == "native:sigmoid_bce"
    assert names[-1] == "numpy:log(1+exp(-m))"
    assert line(table, "native:sigmoid_bce")["value"] == "0.50"
    assert "SPURIOUS_INF" in line(table, "numpy:log(1+exp(-m))")["defects"]


def test_suites_have_a_column_each(results: Results) -> None:
    assert accuracy.quantities(results, "prob_bce", "float64") == ["value", "grad:p"]
    value = accuracy.suites(results, "prob_bce", "float64", "value")
    assert value.columns[2:] == (">landmarks", ">wide", ">tails", ">near_zero")
    assert line(value, "keras:binary_crossentropy")["wide"] == "3.4e5"
    folded = accuracy.suites(results, "prob_bce", "float64", "value", by_labels=False)
    assert len(folded.rows) == len(value.rows) / 2
    assert "labels" not in folded.columns


def test_worst_inputs_name_the_mildest_defect_of_each_call(results: Results) -> None:
    table = worst.worst_table(results, "softplus", ["float32", "float64"], 40)
    names, dtypes = column(table, "implementation"), column(table, "dtype")
    assert names[0] == "numpy:log(1+exp(x))"
    # keras, native, numpy and torch have a call each, and torch's two modes share a line
    assert len(names) == len(set(zip(names, dtypes, strict=True))) == 8
    first = worst.worst_inputs(results, "softplus", ["float32"], 1)
    assert worst.worst_sentence(first[0]) == (
        "`numpy:log(1+exp(x))` float32 value: got 0, exact 1.2e-5 (LOST) at `0x1.8p+3, 0x1p+0`"
    )


def test_hex_floats_lose_their_trailing_zeros() -> None:
    assert worst.short_hex("z=0x1.8000000000000p+3 y=0x1.0000000000000p+0") == "z=0x1.8p+3 y=0x1p+0"
    assert worst.short_hex("[-0x1.0ab0000000000p-3,inf]") == "[-0x1.0abp-3,inf]"
    assert worst.short_hex("wide/0/17") == "wide/0/17"


def test_flush_to_zero(results: Results) -> None:
    table = accuracy.flush_to_zero(results)
    assert line(table, "keras")["flushes"] == "yes"
    assert line(table, "torch")["flushes"] == "no"


def test_landmarks_show_infinities_and_lost_values(results: Results) -> None:
    tables = landmarks.tables(results, landmarks.matrices(results, "softplus", ["float32"]))
    value = tables[0]
    assert line(value, "exact")["x=100"] == "100"
    assert line(value, "numpy:log(1+exp(x))")["x=100"] == "inf spurious"
    assert line(value, "numpy:log(1+exp(x))")["x=-100"] == "0 LOST"
    assert line(value, "torch:softplus")["x=100"] == "="
    assert column(value, "implementation")[-1] == "numpy:log(1+exp(x))"


def test_outcomes_say_who_misses_which_landmark(results: Results) -> None:
    matrices = landmarks.matrices(results, "softplus", ["float32", "float64"])
    value, gradient = outcomes.tables(results, "softplus", matrices)
    rows = [[cell.text for cell in row] for row in value.rows]
    assert rows == [
        ["x=-100", "3.72e-44", "0 LOST", "all", "`numpy:log(1+exp(x))`"],
        ["x=-40", "4.25e-18", "0 LOST", "all", "`numpy:log(1+exp(x))`"],
        ["x=100", "100", "inf spurious", "all", "`numpy:log(1+exp(x))`"],
    ]
    assert "grad:x" in gradient.title
    assert not landmarks.hits(matrices[0])


def test_outcomes_go_on_in_the_next_row(results: Results) -> None:
    (value, _) = outcomes.tables(results, "prob_bce", landmarks.matrices(results, "prob_bce", ["float32"]))
    rows = [[cell.text for cell in row] for row in value.rows]
    assert rows[:2] == [
        ["p=1e-20 y=1", "46.1", "20 flat", "all", "`torch:binary_cross_entropy`"],
        ["p=1e-20 y=1", "46.1", "16.1 flat", "all", "`keras:binary_crossentropy`"],
    ]


def test_plateaus_are_found(results: Results) -> None:
    matrix = landmarks.matrices(results, "prob_bce", ["float32"])[0]
    assert {(p.implementation, p.got) for p in matrix.plateaus} == {
        ("torch:binary_cross_entropy:eager", "20.0"),
        ("torch:binary_cross_entropy:compile", "20.0"),
        ("keras:binary_crossentropy", "16.118"),
    }
    (table,) = landmarks.tables(results, [matrix])
    assert line(table, "keras:binary_crossentropy")["p=1e-20 y=1"].endswith("ulp flat")


def test_a_saturated_value_that_is_right_is_no_plateau(tmp_path: Path) -> None:
    rows = [
        synthetic.row("numpy", "sigmoid", call="s", suite="landmarks", region=f"x={x}", got="1.0", want="1.0",
                      worst_category="CR", value=0.2, n=1, counts={"CR": 1})
        for x in (40, 100)
    ]  # fmt: skip
    RowFile(tmp_path / "rows.jsonl").append("u", rows)
    (matrix,) = landmarks.matrices(load(tmp_path), "sigmoid", ["float32"])
    assert matrix.plateaus == ()
    assert landmarks.hits(matrix)


def scored(folder: Path, **changes: Any) -> Results:
    """Results of one row each for `changes`."""
    fields = {"call": "c", "mode": "numpy", "suite": "wide", "n": 1, "counts": {"FINITE": 1}, **changes}
    RowFile(folder / "rows.jsonl").append("u", [synthetic.row("numpy", "softplus", **fields)])
    return load(folder)


def test_an_error_without_correct_digits_is_a_defect(tmp_path: Path) -> None:
    results = scored(tmp_path, value=1e7, verdict="defect")
    (total,) = accuracy.summary(results.scores, ("implementation",))
    assert (total["defect"], total["n_bad"]) == (True, 0)
    assert accuracy.error_cell(total).plain == "1.0e7 ✗"
    assert accuracy.error_cell(total).tone == "bad"


def test_a_suite_without_finite_cases_is_exact(tmp_path: Path) -> None:
    results = scored(tmp_path, value=None, counts={"CR": 1})
    (total,) = accuracy.summary(results.scores, ("implementation",))
    assert accuracy.error_cell(total).plain == "="


def test_labels_are_no_column_where_there_are_none(results: Results) -> None:
    assert "labels" not in accuracy.ranking(results, "softplus", "float32", full=True).columns
    assert "labels" in accuracy.ranking(results, "prob_bce", "float32", full=True).columns


def test_class_counts_tell_landmarks_apart(tmp_path: Path) -> None:
    rows = [
        synthetic.row("numpy", "softmax", call="c", suite="landmarks", region="equal", shape=k, got="0.1", want="0.1",
                      worst_category="CR", value=0.1, n=1, counts={"CR": 1})
        for k in ("4", "1000")
    ]  # fmt: skip
    RowFile(tmp_path / "rows.jsonl").append("u", rows)
    (matrix,) = landmarks.matrices(load(tmp_path), "softmax", ["float32"])
    assert list(matrix.exact) == ["equal K=4", "equal K=1000"]


def test_coverage_names_every_gap(results: Results) -> None:
    table, reasons = coverage.coverage(results)
    headings = table.columns
    gaps = {
        (row[0].text, headings[i]): row[i].plain for row in table.rows for i in range(2, len(headings))
    }  # fmt: skip
    assert gaps["softplus", "torch"] == "1"
    assert gaps["sigmoid_bce", "numpy"] == "2"
    text = "\n".join(reasons)
    assert "unavailable: jax is not installed" in text
    assert "unsupported: no -1/+1 labels" in text
    assert "died (torch:soft_margin_loss:eager): signal 11 in chunk 3" in text
    assert all("[" in gap for (form, _), gap in gaps.items() if form == "margin_logistic" or "-" in gap)
    assert coverage.failures(results) == [
        "`torch:soft_margin_loss:eager` died in `margin_logistic` (1 row): signal 11 in chunk 3"
    ]


def test_conventions_show_the_answers_that_differ(results: Results) -> None:
    _, same, table = conventions.conventions(results).blocks
    assert same == "2 of 4 pairs of answers agree to the last bit."
    assert isinstance(table, Table)
    assert [[cell.plain for cell in row] for row in table.rows] == [
        ["torch:binary_cross_entropy", "prob_bce", "binary=soft", "float32", "2.50", "="]
    ]


def test_conventions_are_no_label_encoding(results: Results) -> None:
    table, _ = coverage.coverage(results)
    assert not any("=" in cell.text for row in table.rows for cell in row[:2])
