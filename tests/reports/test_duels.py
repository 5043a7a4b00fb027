"""Native against its rivals: every rival that was timed, the strongest first, with the accuracy of both."""

from __future__ import annotations

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
    assert {d.verdict for d in found} <= {"FAST", "SLOW", "SAME", "AMBIGUOUS"}


def test_the_strongest_rival_of_a_work_is_the_one_that_takes_least_time(results: Results) -> None:
    found = found_in(results)
    best = strongest(found)
    assert len(best) == len({d.work for d in found})
    for duel in best:
        assert duel.ratio == min(d.ratio for d in found if d.work == duel.work)


def test_a_line_says_ratio_interval_verdict_and_both_errors(results: Results) -> None:
    duel = next(d for d in found_in(results) if d.own_error == d.own_error)
    (line,) = table([duel], "one").rows
    assert [cell.text for cell in line[1:5]] == [
        duel.rival, f"{duel.ratio:.3g}", f"{duel.low:.3g}-{duel.high:.3g}", duel.verdict
    ]  # fmt: skip
    assert duel.title in line[0].text and duel.shape in line[0].text
    assert "-" not in {line[5].text, line[6].text}


def test_losing_cells_are_in_the_tables(results: Results) -> None:
    lost = [d for d in found_in(results) if d.verdict == "SLOW"]
    assert lost  # the made-up run has rivals that are faster
    whole = section(results, full=True)
    lines = {tuple(cell.text for cell in row) for part in whole.sections for block in part.blocks for row in block.rows}
    assert {(d.rival, d.verdict) for d in lost} <= {(line[1], line[4]) for line in lines}
    assert f"SLOW {sum(d.verdict == 'SLOW' for d in strongest(found_in(results)))}" in whole.blocks[0]


@pytest.mark.parametrize("full", [True, False])
def test_a_run_without_timing_says_so(tmp_path, full) -> None:
    results = load(write_run(tmp_path, throughput=False))
    assert section(results, full).blocks == ["This run has no duels."]
