"""Native against its rivals: every rival that was timed, the strongest first, with the accuracy of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lossbench.reports import duels
from lossbench.reports.duels import duels as found_in
from lossbench.reports.duels import section, strongest, table
from lossbench.reports.results import Results, load
from tests.reports.synthetic import write_run


def test_every_rival_is_there_and_native_is_not_its_own(results: Results) -> None:
    found = found_in(results)
    rivals = {row["implementation"] for row in results.throughput if row["metric"] == duels.METRIC}
    assert {d.rival for d in found} == {name for name in rivals if not name.startswith("native:")}
    assert {d.checked.verdict for d in found} <= {"FAST", "SLOW", "SAME", "AMBIGUOUS"}


def test_the_strongest_rival_of_a_work_is_the_one_that_takes_least_time(results: Results) -> None:
    found = found_in(results)
    best = strongest(found)
    assert len(best) == len({d.work for d in found})
    for duel in best:
        assert duel.checked.value == min(d.checked.value for d in found if d.work == duel.work)


def test_a_line_says_both_ratios_with_interval_and_verdict_and_both_errors(results: Results) -> None:
    duel = next(d for d in found_in(results) if d.own_error == d.own_error)
    (line,) = table([duel], "one").rows
    checked, prepared = duel.checked, duel.prepared
    assert prepared is not None and prepared.value == pytest.approx(1.5 * checked.value)
    assert [cell.text for cell in line[1:8]] == [
        duel.rival,
        *(f"{checked.value:.3g}", f"{checked.low:.3g}-{checked.high:.3g}", checked.verdict),
        *(f"{prepared.value:.3g}", f"{prepared.low:.3g}-{prepared.high:.3g}", prepared.verdict),
    ]
    assert duel.title in line[0].text and duel.shape in line[0].text
    assert "-" not in {line[8].text, line[9].text}


def test_errors_are_the_largest_of_all_suites_and_of_what_is_computed(results: Results) -> None:
    seen = 0
    for duel in found_in(results):
        quantities = {"F": ("value",), "FB": ("value", "grad")}[duel.work_class]
        for who, shown in ((duel.rival, duel.error), ("native", duel.own_error)):
            rows = [
                row["value"]
                for row in results.errors.get(duel.title, [])
                if (row["encoding"], row["dtype"]) == (duel.encoding, duel.dtype)
                and row["quantity"].split(":")[0] in quantities
                and (row["implementation"] == who or (row["library"] == who and row["mode"] == "numba"))
                and row["value"] == row["value"]
            ]
            if rows:
                assert shown == max(rows)
                seen += len(rows) > 1
            else:
                assert shown != shown
    assert seen


def test_a_run_from_before_prepare_was_timed_says_so_in_its_cells(results: Results) -> None:
    duel = replace(found_in(results)[0], prepared=None)
    (line,) = table([duel], "one").rows
    assert [cell.text for cell in line[5:8]] == ["-", "-", "-"]


def test_a_duel_with_a_wrong_result_does_not_count(results: Results) -> None:
    """Whoever it was that was wrong."""
    known = found_in(results)
    key = known[0].work, known[0].rival
    records = [
        {**r, "verdict": "disqualified"}
        if r["metric"] == duels.METRIC and (r["implementation"], r["shape"]) == (known[0].rival, known[0].shape)
        else r
        for r in results.records
    ]
    left = found_in(replace(results, records=records))
    assert key not in {(d.work, d.rival) for d in left} and 0 < len(left) < len(known)


def test_losing_cells_are_in_the_tables(results: Results) -> None:
    lost = [d for d in found_in(results) if d.checked.verdict == "SLOW"]
    assert lost  # the made-up run has rivals that are faster
    whole = section(results, full=True)
    lines = {tuple(cell.text for cell in row) for part in whole.sections for block in part.blocks for row in block.rows}
    assert {(d.rival, d.checked.verdict) for d in lost} <= {(line[1], line[4]) for line in lines}
    assert f"SLOW {sum(d.checked.verdict == 'SLOW' for d in strongest(found_in(results)))}" in whole.blocks[0]


def test_rivals_without_defects_are_counted_apart(results: Results) -> None:
    known = found_in(results)
    sound = strongest([d for d in known if not d.bad and d.error == d.error])
    assert sound and any(d.bad for d in known)
    text = section(results, full=False).blocks[0]
    assert f" {len(sound)} of {len(strongest(known))} works have a rival without a defect" in text
    assert text.endswith(f"SLOW {sum(d.checked.verdict == 'SLOW' for d in sound)}.")


@pytest.mark.parametrize("full", [True, False])
def test_a_run_without_timing_says_so(tmp_path, full) -> None:
    results = load(write_run(tmp_path, throughput=False))
    assert section(results, full).blocks == ["This run has no duels."]
