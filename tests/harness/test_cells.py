"""Which timing cells there are: what each tier leaves out, the rivals of the goals, and what it will take."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.adapter import Adapter, Unsupported
from lossbench.harness.cells import Cell, absences, lay_out, predicted_seconds
from lossbench.harness.left_out import LEFT_OUT
from lossbench.harness.plan import COMPILED, Filters, call_of, make_plan
from lossbench.harness.scoring import Context
from lossbench.harness.timing import BUDGET
from lossbench.reference import form_of
from lossbench.suites import TIERS, throughput
from lossbench.suites.goals import GOALS

CONTEXT = Context("run-1", "platform", "quick", 0, {}, {})


@pytest.fixture(scope="module")
def plans():
    """Every library there, whether installed or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adapter, "installed", lambda self: "")
        return {tier: make_plan(tier, 0, Filters()) for tier in TIERS}


@pytest.fixture(scope="module")
def cells(plans):
    return {tier: lay_out(plan) for tier, plan in plans.items()}


@pytest.fixture(scope="module")
def goal_cells(plans):
    return lay_out(make_plan("default", 0, Filters(only=("goals",))))


def eager_jax(c):
    return c.library in ("jax", "optax") and c.mode == "eager"


def one(c):
    """The one shape of quick, and of what is timed at one."""
    return c.shape == throughput.shapes(form_of(c.form), "quick", True)[0]


def few(c):
    return c.shape in throughput.shapes(form_of(c.form), "default", False)


def elements(c):
    return int(np.prod(c.shape))


def rival(c):
    """Whether it is a rival of a goal at a shape of the goal, or native itself."""
    wanted = [(goal.forms, goal.shapes) for goal in GOALS]
    return not c.options and any((c.form, c.encoding) in forms and c.shape in shapes for forms, shapes in wanted)


def first_call(c, tier):
    """Whether the call is the first of its library's table that the tier asks for the form so encoded."""
    calls = [
        call for call in adapter_of(c.library).calls
        if (call.form, call.encodings[0], call.options) == (c.form, c.encoding, "")
        and not call.rowwise and TIERS.index(call.tier) <= TIERS.index(tier)
    ]  # fmt: skip
    return calls[0].name == c.call


def goals_leave_out(c, tier):
    """What the sentences on the goals mean, whatever the shape: rivals that are left out."""
    return (
        eager_jax(c)
        or (c.library, c.mode) == ("native", "numpy")
        or (c.mode.startswith("compile") and elements(c) <= 3200)
        or (c.mode in ("graph", "xla", "compile", "compile-max-autotune") and not first_call(c, tier))
        or (c.library == "keras" and (c.mode != "eager" or not first_call(c, tier) or c.dtype != "float32"))
    )


def rank(c):
    """The smallest tier that measures the cell's call, as its place in TIERS."""
    return TIERS.index(call_of(adapter_of(c.library), c.form, c.call, c.encoding, c.options).tier)


#: What the sentences on timing mean, and those on accuracy, because what is not measured is not timed.
MEANT = {
    "quick": lambda c: (
        rank(c) > 0
        or not one(c)
        or c.dtype != "float32"
        or (c.library == "tensorflow" and c.mode in ("graph", "xla"))
        or eager_jax(c)
        or c.mode.startswith("compile")
        or (c.library == "keras" and c.mode in ("graph", "xla"))
    ),
    "default": lambda c: (
        rank(c) > 1
        or c.dtype in ("float16", "bfloat16")
        or (
            (
                not few(c)
                or ((c.dtype == "float64" or c.mode in COMPILED or eager_jax(c)) and not one(c))
                or ((c.mode in COMPILED or eager_jax(c)) and c.dtype != "float32")
                or c.mode == "compile-max-autotune"
            )
            and (not rival(c) or c.dtype != "float32" or elements(c) > 10_000_000 or goals_leave_out(c, "default"))
        )
    ),
    "full": lambda c: False,
}
#: The same of a run of the goals alone.
GOALS_MEANT = {
    "quick": lambda c: (
        rank(c) > 0 or not rival(c) or c.dtype != "float32" or elements(c) > 10_000_000 or goals_leave_out(c, "quick")
    ),
    "default": lambda c: (
        rank(c) > 1
        or not rival(c)
        or c.dtype not in ("float32", "float64")
        or goals_leave_out(c, "default")
        or (elements(c) > 10_000_000 and (c.library == "keras" or (c.mode != "jit" and not first_call(c, "default"))))
        or (c.dtype == "float64" and (elements(c) <= 3200 or elements(c) > 10_000_000 or c.mode.endswith("autotune")))
    ),
    "full": lambda c: not rival(c) or c.dtype not in ("float32", "float64"),
}


@pytest.mark.parametrize("tier", TIERS)
def test_sentences_say_what_is_not_timed(cells, tier):
    """Two ways: what a sentence means is not laid out, and what is not laid out is meant by one."""
    laid_out = set(cells[tier])
    for c in cells["full"]:
        assert (c in laid_out) == (not MEANT[tier](c)), c


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_of_the_goals_times_their_rivals_and_nothing_else(cells, tier):
    found = set(lay_out(make_plan(tier, 0, Filters(only=("goals",)))))
    assert found <= set(cells["full"])
    for c in cells["full"]:
        assert (c in found) == (not GOALS_MEANT[tier](c)), c


@pytest.mark.parametrize("goal", [g for g in GOALS if g.rivals != "autograd"], ids=str)
def test_every_goal_has_rivals_in_a_run_of_the_goals(goal_cells, goal):
    """Of its own kind, as far as the library's mode says it."""
    modes = {"compiler": COMPILED, "eager": ("eager",), "numpy": ("eager",), "any": (*COMPILED, "eager")}[goal.rivals]
    libraries = ("numpy", "scipy") if goal.rivals == "numpy" else ("torch", "jax", "tensorflow")
    for (form, encoding), shape in goal.works():
        key = (form, encoding, shape, goal.work, goal.dtype)
        there = [c for c in goal_cells if (c.form, c.encoding, c.shape, c.work, c.dtype) == key]
        assert any(c.mode in modes and c.library in libraries for c in there)
        assert any(c.library == "native" for c in there)


def test_filters_narrow_the_goals(plans):
    narrow = Filters(form=("sigmoid",), impl=("torch:*",), dtype=("float32",), only=("goals",))
    found = lay_out(make_plan("default", 0, narrow))
    assert {(c.form, c.library, c.dtype) for c in found} == {("sigmoid", "torch", "float32")}


def test_what_is_not_installed_is_no_rival(plans, monkeypatch):
    monkeypatch.setattr(Adapter, "installed", lambda self: "" if self.library == "numpy" else "not here")
    assert {c.library for c in lay_out(make_plan("default", 0, Filters(only=("goals",))))} == {"numpy"}


def test_a_run_that_times_only_scores_nothing_and_the_other_way_round(plans):
    for only, units, timed in (("accuracy", True, False), ("throughput", False, True), ("goals", False, True)):
        plan = make_plan("default", 0, Filters(only=(only,)))
        assert (bool(plan.scored), bool(lay_out(plan))) == (units, timed)
        assert bool(plan.batches) == units
        sentences = {s.startswith("timing") for s in plan.left_out[1:] if s in LEFT_OUT["default"]}
        assert sentences == ({False} if units else {True} if only == "throughput" else set())


def test_tiers_are_nested(cells):
    quick, default, full = (set(cells[tier]) for tier in TIERS)
    assert quick < default < full


@pytest.mark.parametrize("tier", TIERS)
def test_every_implementation_is_timed_or_not_with_a_reason(plans, cells, tier):
    """In the encoding that its call documents first; a mean of single rows cannot be timed."""
    plan = plans[tier]
    timed = {(c.library, c.call, c.form, c.options) for c in cells[tier]}
    absent = {(r.library, r.call, r.form, r.options): r for r in absences(plan, CONTEXT)}
    skipped = set()
    for unit in plan.units:
        call = next(
            c
            for c in adapter_of(unit.library).calls
            if (c.form, c.name, c.options) == (unit.form, unit.call, unit.options) and unit.encoding in c.encodings
        )
        key = (unit.library, unit.call, unit.form, unit.options)
        if call.rowwise:
            skipped.add(key)
        elif not any(MEANT[tier](c) for c in [cell_of(unit)]):
            assert key in timed
    assert skipped <= set(absent)
    for row in absent.values():
        assert row.status == "unsupported" and len(row.reason.split()) > 2
        assert (row.suite, row.metric, row.value) == ("throughput", "seconds", None)


def cell_of(unit):
    shape = throughput.shapes(form_of(unit.form), "quick", True)[0]
    named = {name: getattr(unit, name) for name in ("library", "call", "form", "encoding", "options", "dtype")}
    return Cell(mode="eager", device="cpu", work="F", shape=shape, **named)


def test_gradients_are_timed_where_there_are_some(cells):
    by_work = {work: {c for c in cells["default"] if c.work == work} for work in ("F", "FB")}
    assert len(by_work["F"]) > len(by_work["FB"]) > 0
    for library in ("scipy", "torch"):
        gradients = [c for c in by_work["FB"] if c.library == library]
        no_autodiff = all(isinstance(c.gradient, Unsupported) for c in adapter_of(library).calls)
        assert bool(gradients) != no_autodiff


def test_ids_are_unique_and_apart_from_those_of_accuracy(plans, cells):
    ids = [c.id for c in cells["full"]]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {unit.id for unit in plans["full"].units}
    one = Cell("faketimed", "works", "eager", "cpu", "sigmoid_bce", "binary", "", "float32", (32, 100), "F")
    assert one.id == "timing/faketimed/works/eager/cpu/sigmoid_bce/binary//float32/32x100/F"


def test_one_encoding_a_call(cells):
    found = {}
    for c in cells["full"]:
        found.setdefault((c.library, c.call, c.form, c.options), set()).add(c.encoding)
    for (library, name, form, options), encodings in found.items():
        first = {
            c.encodings[0]
            for c in adapter_of(library).calls
            if (c.name, c.form, c.options) == (name, form, options)
        }
        assert encodings <= first


def test_larger_tiers_are_predicted_to_take_longer(cells):
    quick, default, full = (predicted_seconds(cells[tier], BUDGET[tier]) for tier in TIERS)
    assert 0 < quick < default < full
