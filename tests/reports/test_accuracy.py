"""Tables of accuracy show the defects that the made-up run has."""

from __future__ import annotations

import math
from pathlib import Path

from lossbench.harness.rows import RowFile
from lossbench.reports import accuracy, coverage, landmarks
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
    table = accuracy.ranking(results, "sigmoid_bce", "float32")
    names = column(table, "implementation")
    assert names[0] == "native:sigmoid_bce"
    assert names[-1] == "numpy:log(1+exp(-m))"
    assert line(table, "native:sigmoid_bce")["value"] == "0.50"
    assert "SPURIOUS_INF" in line(table, "numpy:log(1+exp(-m))")["defects"]


def test_suites_have_a_column_each(results: Results) -> None:
    value, gradient = accuracy.suites(results, "prob_bce", "float64")
    assert value.columns[2:-1] == (">landmarks", ">wide", ">tails", ">near_zero")
    assert line(value, "keras:binary_crossentropy")["wide"] == "3.4e5"
    assert "grad:p" in gradient.title


def test_worst_inputs_name_one_case_an_implementation(results: Results) -> None:
    table = accuracy.worst_table(results, "softplus", ["float32", "float64"], 40)
    assert column(table, "implementation")[0] == "numpy:log(1+exp(x))"
    assert len(set(zip(column(table, "implementation"), column(table, "dtype"), strict=True))) == len(
        table.rows
    )
    first = accuracy.worst_inputs(results, "softplus", ["float32"], 1)
    sentence = accuracy.worst_sentence(first[0])
    assert sentence == (
        "`numpy:log(1+exp(x))` float32 value: got inf, exact 100 (SPURIOUS_INF) at `0x1.9000000000000p+6`"
    )


def test_flush_to_zero(results: Results) -> None:
    table = accuracy.flush_to_zero(results)
    assert line(table, "keras")["flushes"] == "yes"
    assert line(table, "torch")["flushes"] == "no"


def test_landmarks_show_infinities_and_lost_values(results: Results) -> None:
    tables = landmarks.tables(
        results, landmarks.matrices(results, "softplus", ["float32"]), only_missed=False
    )
    value = tables[0]
    assert line(value, "exact")["x=100"] == "100"
    assert line(value, "numpy:log(1+exp(x))")["x=100"] == "inf spurious"
    assert line(value, "numpy:log(1+exp(x))")["x=-100"] == "0 LOST"
    assert line(value, "torch:softplus:compile|eager")["x=100"] == "100 ="
    assert column(value, "implementation")[-1] == "numpy:log(1+exp(x))"


def test_landmarks_that_nobody_misses_are_left_out(results: Results) -> None:
    matrices = landmarks.matrices(results, "softplus", ["float32"])
    table = landmarks.tables(results, matrices, only_missed=True)[0]
    assert table.columns[1:] == (">x=-100", ">x=-40", ">x=100")
    assert column(table, "implementation") == ["exact", "numpy:log(1+exp(x))"]
    assert table.notes[0] == "Missed by nobody: `x=-1000`, `x=0`, `x=40`."
    assert "`torch:softplus:compile|eager`" in table.notes[1]
    assert not landmarks.hits(matrices[0])


def test_plateaus_are_found(results: Results) -> None:
    matrix = landmarks.matrices(results, "prob_bce", ["float32"])[0]
    assert {(p.implementation, p.got) for p in matrix.plateaus} == {
        ("torch:binary_cross_entropy:eager", "20.0"),
        ("torch:binary_cross_entropy:compile", "20.0"),
        ("keras:binary_crossentropy", "16.118"),
    }
    (table,) = landmarks.tables(results, [matrix], only_missed=False)
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
    assert "died (torch:soft_margin_loss:eager, float32): signal 11 in chunk 3" in text
    assert all("[" in gap for (form, _), gap in gaps.items() if form == "margin_logistic" or "-" in gap)
    assert coverage.failures(results) == [
        "`torch:soft_margin_loss:eager` died in `margin_logistic` (1 row): signal 11 in chunk 3"
    ]
