"""Goals: each is held against the strongest rival of its kind, and a missed one is not hidden."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lossbench.reports import goals
from lossbench.reports.duels import Duel, Ratio, duels
from lossbench.reports.goals import MET, MISSED, OPEN, UNKNOWN, Outcome, counts, kinds, outcomes, section, table
from lossbench.reports.results import Results, load
from lossbench.suites.goals import FLOAT64, GOALS, RIVALS, Goal, shapes_of
from tests.reports.synthetic import write_run

GOAL = Goal("small", (("sigmoid", "-"),), ((1000,),), "F", "any", 2.0)


def duel(library: str = "torch", mode: str = "eager", call: str = "sigmoid", checked: float = 1.0) -> Duel:
    ratios = [Ratio(value, 0.9 * value, 1.1 * value, "SAME") for value in (checked, 3 * checked)]
    work = ("sigmoid", "-", "F", "float32", "1000")
    return Duel(*work, f"{library}:{call}", library, call, mode, *ratios, 0.5, False, 0.5, False)


@pytest.mark.parametrize(
    ("ratio", "want"),
    [
        (Ratio(2.2, 2.0, 2.4, "FAST"), MET),
        (Ratio(2.1, 1.9, 2.3, "FAST"), OPEN),
        (Ratio(1.5, 1.4, 1.99, "FAST"), MISSED),
    ],
)
def test_the_whole_interval_decides(ratio, want) -> None:
    outcome = Outcome(GOAL, "sigmoid", "-", "1000", replace(duel(), checked=ratio))
    assert outcome.verdict == want
    assert counts([outcome]).split(", ")[[MET, OPEN, MISSED, UNKNOWN].index(want)] == f"1 {want}"


@pytest.mark.parametrize(
    ("library", "mode", "call", "want"),
    [
        ("torch", "eager", "sigmoid", {"any", "eager", "autograd"}),
        ("torch", "compile", "sigmoid", {"any", "compiler", "autograd"}),
        ("jax", "jit", "nn.sigmoid", {"any", "compiler", "autograd"}),
        ("tensorflow", "xla", "nn.sigmoid", {"any", "compiler", "autograd"}),
        ("numpy", "eager", "stable", {"any", "numpy"}),
        ("scipy", "eager", "special.expit", {"any", "numpy"}),
        ("onnxruntime", "eager", "Sigmoid", {"any", "compiler"}),
        ("of-a-third-party", "eager", "sigmoid", {"any"}),
    ],
)
def test_kinds_of_rivals(library, mode, call, want) -> None:
    assert kinds(duel(library, mode, call)) == want <= set(RIVALS)


def test_the_strongest_rival_of_the_kind_sets_the_ratio() -> None:
    there = [
        duel("torch", checked=3.0),
        duel("jax", "jit", "nn.sigmoid", 1.5),
        duel("numpy", call="stable", checked=9.0),
    ]
    for rivals, library in (("any", "jax"), ("eager", "torch"), ("numpy", "numpy"), ("autograd", "jax")):
        found = goals._outcome(replace(GOAL, rivals=rivals), "sigmoid", "-", "1000", there)
        assert found.strongest is not None and found.strongest.library == library
        assert found.ratio == found.strongest.checked
    prepared = goals._outcome(replace(GOAL, prepared=True), "sigmoid", "-", "1000", there)
    assert prepared.ratio == there[1].prepared


def test_what_was_not_measured_has_a_reason() -> None:
    for there, why in (([], "this run did not time it"), ([duel()], "no rival of this kind duelled")):
        found = goals._outcome(replace(GOAL, rivals="numpy"), "sigmoid", "-", "1000", there)
        assert (found.verdict, found.ratio, found.reason) == (UNKNOWN, None, why)
        (line,) = table([found], "one").rows
        assert [cell.text for cell in line[3:]] == ["-", "-", UNKNOWN, why]


def test_every_goal_of_a_timed_form_is_in_the_table(results: Results) -> None:
    """The made-up run times sigmoid_bce alone of the forms with goals, at 1000 and 1000000 elements."""
    found = outcomes(results)
    wanted = [(g, work, shape) for g in GOALS for work, shape in g.works() if work == ("sigmoid_bce", "binary")]
    assert len([o for o in found if o.goal.regime != "float64"]) == len(wanted)
    for outcome in found:
        there = [d for d in duels(results) if d.work == (outcome.form, outcome.encoding, outcome.goal.work,
                                                         outcome.goal.dtype, outcome.shape)]  # fmt: skip
        rivals = [d for d in there if outcome.goal.rivals in kinds(d)]
        if outcome.ratio is None:
            assert not rivals
        else:
            ratios = [d.prepared if outcome.goal.prepared else d.checked for d in rivals]
            assert outcome.ratio.value == min(r.value for r in ratios if r is not None)
    assert {o.verdict for o in found} >= {MISSED, UNKNOWN}


def test_float64_is_a_goal_in_every_cell(results: Results) -> None:
    works = {d.work for d in duels(results) if d.dtype == "float64"}
    found = [o for o in outcomes(results) if o.goal.regime == "float64"]
    assert {(o.form, o.encoding, o.goal.work, "float64", o.shape) for o in found} == works
    assert {o.goal.ratio for o in found} == {FLOAT64}


def test_the_section_counts_and_shows_the_missed_ones(results: Results) -> None:
    whole, found = section(results), outcomes(results)
    assert counts(found) in whole.blocks[0]
    lines = [row for block in whole.blocks[2:] for row in block.rows]
    assert len(lines) == len(found)
    assert sum(row[5].text == MISSED for row in lines) == sum(o.verdict == MISSED for o in found) > 0


def test_a_run_without_goal_forms_says_so(tmp_path) -> None:
    results = load(write_run(tmp_path, throughput=False))
    assert section(results).blocks == ["This run timed no form that has goals."]


def test_native_alone_has_no_goals(results: Results) -> None:
    alone = [r for r in results.records if r["library"] == "native"]
    assert outcomes(replace(results, records=alone)) == []


def test_goals_are_wishes_that_can_be_measured() -> None:
    assert len(GOALS) == len(set(GOALS))
    for goal in GOALS:
        assert goal.rivals in RIVALS and goal.work in ("F", "FB") and goal.ratio >= 1 and goal.works()
    assert shapes_of("softmax_xent", "index") == [(8, 10), (32, 100), (256, 1000), (1024, 1000), (1024, 32000),
                                                  (256, 128256)]  # fmt: skip
    assert shapes_of("softmax", "-") == []
