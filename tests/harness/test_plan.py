"""The plan: tiers, filters, and an answer for every form and library: measured, or absent with a reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from lossbench.harness.adapters import LIBRARIES, adapter_of
from lossbench.harness.adapters.adapter import Adapter
from lossbench.harness.left_out import LEFT_OUT
from lossbench.harness.plan import (
    COMPILED,
    Filters,
    Plan,
    Unit,
    call_of,
    implementations,
    make_plan,
    missing_reason,
    predicted_work,
)
from lossbench.reference import FORMS, form_of
from lossbench.reference.formats import MEASURED
from lossbench.suites import SUITES, TIERS

PAIRS = {(form.name, encoding) for form in FORMS for encoding in form.encodings}
JAX = ("jax", "optax")


def compiles(unit) -> bool:
    return unit.mode.startswith("compile")


def shapes_cost(unit) -> bool:
    return unit.library in JAX or unit.mode in COMPILED


def classes(unit, *counts) -> bool:
    return form_of(unit.form).class_axis and unit.classes in counts


def rank(unit) -> int:
    """The smallest tier that measures the unit's call, as its place in TIERS."""
    adapter = adapter_of(unit.library)
    return TIERS.index(call_of(adapter, unit.form, unit.call, unit.encoding, unit.options).tier)


#: sentence -> which units of the full tier it means. The sentences on timing are held in test_timing.
MEANT = {
    "quick": {
        "calls of second rank: divergences of one-hot labels, focal losses at gamma = 0, and what default leaves out": (
            lambda u: rank(u) > 0
        ),
        "dtypes bfloat16 and float64": lambda u: u.dtype in ("bfloat16", "float64"),
        "torch.compile; Keras in graph and xla mode; optax in eager mode": lambda u: (
            compiles(u) or (u.library, u.mode) in {("keras", "graph"), ("keras", "xla"), ("optax", "eager")}
        ),
        "float16 in JAX eager mode and in TensorFlow's graph and xla modes": lambda u: (
            u.dtype == "float16"
            and (u.library, u.mode) in {("jax", "eager"), ("tensorflow", "graph"), ("tensorflow", "xla")}
        ),
        "rows of 1, 2, 3, 1000 and more classes; JAX, optax and compiled modes see 4 classes only": lambda u: (
            classes(u, 1, 2, 3, 1000, 50_000) or (shapes_cost(u) and classes(u, 10))
        ),
    },
    "default": {
        "classes and aliases that only pass on to a call measured by another name": lambda u: rank(u) > 1,
        "torch.compile in float16 and bfloat16, and its max-autotune mode": lambda u: (
            u.mode == "compile-max-autotune" or (compiles(u) and u.dtype in ("float16", "bfloat16"))
        ),
        "JAX and optax eager mode in float16 and bfloat16; Keras' xla mode in all but float32": lambda u: (
            (u.library in JAX and u.mode == "eager" and u.dtype in ("float16", "bfloat16"))
            or (u.library == "keras" and u.mode == "xla" and u.dtype != "float32")
        ),
        "rows of 3 and 50 000 classes; JAX, optax and compiled modes see 4 and 1000 only, torch.compile 4": lambda u: (
            classes(u, 3, 50_000)
            or (shapes_cost(u) and classes(u, 1, 2, 10))
            or (compiles(u) and classes(u, 1000))
        ),
    },
    "full": {},
}


@pytest.fixture(scope="module")
def everything() -> Iterator[None]:
    """Every library there, whether installed or not: planning imports none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adapter, "installed", lambda self: "")
        yield


@pytest.fixture(scope="module")
def plans(everything) -> dict[str, Plan]:
    return {tier: make_plan(tier, 0, Filters()) for tier in TIERS}


def narrowed(tier: str = "quick", **filters) -> Plan:
    return make_plan(tier, 0, Filters(**filters))


# -- tiers


def test_tiers_are_nested(plans):
    """A larger tier asks everything that a smaller one asks, and more."""
    quick, default, full = ({unit.id for unit in plans[tier].units} for tier in TIERS)
    assert quick < default < full


def test_quick_touches_everything(plans):
    plan = plans["quick"]
    assert {unit.library for unit in plan.units} == set(LIBRARIES)
    assert {unit.form for unit in plan.units} == {form.name for form in FORMS}
    assert {(unit.form, unit.encoding) for unit in plan.units} == PAIRS
    assert {suite for suites in plan.batches.values() for suite in suites} == {s.name for s in SUITES}
    calls = {(library, call.form, call.name) for library in LIBRARIES for call in adapter_of(library).calls
             if call.tier == "quick"}  # fmt: skip
    assert {(unit.library, unit.form, unit.call) for unit in plan.units} == calls


def test_full_leaves_nothing_out(plans):
    plan = plans["full"]
    assert plan.left_out == []
    for library in LIBRARIES:
        adapter = adapter_of(library)
        asked = {(u.mode, u.dtype) for u in [*plan.units, *plan.absences] if u.library == library}
        assert asked >= set(itertools.product(adapter.modes, MEASURED))
    counts = {c for suite in SUITES for c in suite.classes["full"]}
    assert {u.classes for u in plan.units if form_of(u.form).class_axis} == counts


@pytest.mark.parametrize("tier", TIERS)
def test_sentences_say_what_is_left_out(plans, tier):
    """Two ways: what a sentence means is not in the plan, and what is not in the plan is meant by one."""
    assert plans[tier].left_out == LEFT_OUT[tier]
    assert [s for s in LEFT_OUT[tier] if not s.startswith("timing")] == list(MEANT[tier])
    planned = {unit.id for unit in plans[tier].units}
    for unit in plans["full"].units:
        meant = [sentence for sentence, means in MEANT[tier].items() if means(unit)]
        assert (unit.id in planned) == (not meant), (unit.id, meant)


@pytest.mark.parametrize("tier", TIERS)
def test_every_sentence_is_needed(plans, tier):
    for sentence, means in MEANT[tier].items():
        assert any(means(unit) for unit in plans["full"].units), sentence


def test_larger_tiers_are_predicted_to_take_longer(plans):
    seconds = [plans[tier].predicted_seconds() for tier in TIERS]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    assert plans["quick"].predicted_seconds(1) > plans["quick"].predicted_seconds(2)
    assert predicted_work([]) == 0


# -- nothing silent


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_pair_is_measured_or_absent(plans, library, tier):
    plan = plans[tier]
    measured = {(unit.form, unit.encoding) for unit in plan.units if unit.library == library}
    absent = {(a.form, a.encoding) for a in plan.absences if a.library == library}
    assert measured | absent == PAIRS
    no_call = {(a.form, a.encoding) for a in plan.absences if a.library == library and a.call == "-"}
    assert not no_call & measured


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_call_is_measured_or_absent_once(plans, library, tier):
    plan = plans[tier]
    key = ("library", "call", "mode", "form", "encoding", "options", "dtype")
    measured, absent = (
        [tuple(getattr(u, k) for k in key) for u in found if u.library == library]
        for found in (plan.units, plan.absences)
    )
    assert not set(measured) & set(absent)
    assert len(absent) == len(set(absent))
    by_call = {(m[1], m[3], m[4], m[5]) for m in [*measured, *absent]}
    for call in adapter_of(library).calls:
        for encoding in call.encodings:
            meant = TIERS.index(call.tier) <= TIERS.index(tier)
            assert ((call.name, call.form, encoding, call.options) in by_call) == meant


@pytest.mark.parametrize("tier", TIERS)
def test_absences_carry_a_sentence(plans, tier):
    for absence in plans[tier].absences:
        assert absence.status == "unsupported"
        assert len(absence.reason.split()) > 2, absence


def test_libraries_that_are_not_installed_are_absent_cell_by_cell(monkeypatch, plans):
    monkeypatch.setattr(Adapter, "installed", lambda self: f"{self.library} is not installed")
    plan = make_plan("quick", 0, Filters())
    assert plan.units == [] and plan.batches == {}
    away = [a for a in plan.absences if a.status == "unavailable"]
    assert {a.reason for a in away} == {f"{library} is not installed" for library in LIBRARIES}
    cells = {(a.library, a.call, a.mode, a.form, a.encoding, a.options, a.dtype) for a in away}
    there = {(u.library, u.call, u.mode, u.form, u.encoding, u.options, u.dtype) for u in plans["quick"].units}
    assert there <= cells
    assert {(a.form, a.encoding, a.library) for a in plan.absences} == {
        (*pair, library) for pair in PAIRS for library in LIBRARIES
    }


def test_missing_reason_prefers_the_encoding():
    adapter = adapter_of("scipy")
    assert "indices" in missing_reason(adapter, "prob_xent", "index")
    assert missing_reason(adapter, "sigmoid", "-") == "scipy gives no reason"


# -- units


def test_ids_are_unique(plans):
    ids = [unit.id for unit in plans["full"].units]
    assert len(ids) == len(set(ids))


def test_every_unit_leads_to_its_call(plans):
    adapters = {library: adapter_of(library) for library in LIBRARIES}
    for unit in plans["quick"].units:
        call = call_of(adapters[unit.library], unit.form, unit.call, unit.encoding, unit.options)
        assert (call.form, call.name, call.options) == (unit.form, unit.call, unit.options)
        assert unit.encoding in call.encodings and unit.mode not in call.lacks
    with pytest.raises(ValueError, match="numpy has no call 'no'"):
        call_of(adapter_of("numpy"), "sigmoid", "no", "-", "")


def test_names_of_a_unit():
    unit = Unit("torch", "nn.f", "eager", "cpu", "softmax_xent", "index", "", "float32", 4)
    assert unit.implementation == "torch:nn.f:eager:cpu"
    assert unit.id == "torch/nn.f/eager/cpu/softmax_xent/index//float32/4"
    assert unit.batch.name == "softmax_xent-index-float32-4"


def test_batches_hold_suites_of_their_class_count(plans):
    for key, suites in plans["default"].batches.items():
        form = form_of(key.form)
        fitting = [s for s in SUITES if s.fits(form, key.encoding)]
        assert suites == [s.name for s in fitting if key.classes in s.class_counts(form, "default")]
        assert suites


def test_implementations_are_listed_once(everything):
    ids = list(implementations("cuda"))
    assert len(ids) == len(set(ids)) > 100
    assert {device for *_, device in ids} == {"cuda"}
    assert {library for library, *_ in ids} == set(LIBRARIES)


# -- filters

WRONG = [
    ({"form": ("sigmod_bce",)}, r"form: got 'sigmod_bce', nearest are .*sigmoid_bce"),
    ({"suite": ("landmark",)}, r"suite: got 'landmark', nearest are landmarks"),
    ({"dtype": ("float23",)}, r"dtype: got 'float23', nearest are .*float32"),
    ({"impl": ("scipy:special.log_expt:eager:cpu",)}, r"impl: .* nearest are .*scipy:special.log_expit:eager:cpu"),
    ({"impl": ("numpy:*:jit:*",)}, r"impl: 'numpy:\*:jit:\*' matches no implementation, nearest are .*numpy:"),
    ({"impl": ("zzz",)}, r"impl: 'zzz' matches no implementation, nearest are \w+:"),
    ({"form": ("softmax", "")}, r"form: got '', nearest are "),
]


@pytest.mark.parametrize(("filters", "message"), WRONG, ids=[str(f) for f, _ in WRONG])
def test_unknown_names_are_answered_with_the_nearest(filters, message):
    with pytest.raises(ValueError, match=message):
        narrowed(**filters)


def test_unknown_tier():
    with pytest.raises(ValueError, match="tier: got 'fast', wants one of quick, default, full"):
        make_plan("fast", 0, Filters())


def test_form_and_dtype_narrow(everything):
    plan = narrowed(form=("sigmoid_bce", "softmax"), dtype=("float64",))
    assert {u.form for u in plan.units} == {"sigmoid_bce", "softmax"}
    assert {u.dtype for u in plan.units} == {"float64"}  # though the quick tier has no float64 of its own
    assert {a.form for a in plan.absences} <= {"sigmoid_bce", "softmax"}


def test_suites_narrow(everything):
    plan = narrowed(form=("sigmoid_bce",), suite=("landmarks", "non_finite"))
    assert plan.batches
    for suites in plan.batches.values():
        assert suites == ["non_finite", "landmarks"]  # in the order of the catalog


@pytest.mark.parametrize(
    ("glob", "wanted"),
    [
        ("scipy:*", lambda u: u.library == "scipy"),
        ("*:jit:cpu", lambda u: u.mode == "jit"),
        ("numpy:stable:eager:cpu", lambda u: (u.library, u.call) == ("numpy", "stable")),
        ("jax:*softmax*:eager:*", lambda u: u.library == "jax" and "softmax" in u.call and u.mode == "eager"),
    ],
)
def test_globs_narrow(plans, glob, wanted):
    plan = narrowed(impl=(glob,))
    assert plan.units
    assert {u.id for u in plan.units} == {u.id for u in plans["quick"].units if wanted(u)}
    libraries = {u.library for u in plan.units}
    assert {a.library for a in plan.absences} <= libraries


def test_globs_add_up(everything):
    both = narrowed(impl=("scipy:*", "numpy:*"))
    assert {u.library for u in both.units} == {"scipy", "numpy"}


def test_a_whole_library_brings_what_it_lacks(everything):
    whole, call = narrowed(impl=("scipy:*",)), narrowed(impl=("scipy:special.expit:*",))
    assert ("prob_xent", "index") in {(a.form, a.encoding) for a in whole.absences}
    assert not call.absences


@pytest.mark.parametrize(
    "filters", [{"dtype": ("float32",) * 2}, {"form": ("sigmoid",) * 2}, {"impl": ("numpy:*",) * 2}], ids=str
)
def test_a_name_given_twice_is_planned_once(everything, filters):
    once = narrowed(**{name: value[:1] for name, value in filters.items()})
    assert [u.id for u in narrowed(**filters).units] == [u.id for u in once.units]


def test_device_is_part_of_the_names(everything):
    plan = narrowed(impl=("torch:*:cuda",), device="cuda")
    assert plan.units and {u.device for u in plan.units} == {"cuda"}
    with pytest.raises(ValueError, match="matches no implementation"):
        narrowed(impl=("torch:*:cpu",), device="cuda")


# -- what is written of it


def test_json_says_what_was_narrowed(everything):
    filters = Filters(form=("sigmoid",), impl=("numpy:*",), suite=("landmarks",), dtype=("float32",))
    saved = make_plan("quick", 7, filters).to_json()
    assert (saved["tier"], saved["seed"]) == ("quick", 7)
    assert saved["units"] == 2
    assert saved["left_out"] == LEFT_OUT["quick"]
    assert {k: tuple(v) for k, v in saved["filters"].items() if k != "device" and v is not None} == {
        "form": ("sigmoid",), "impl": ("numpy:*",), "suite": ("landmarks",), "dtype": ("float32",)
    }  # fmt: skip


def test_json_of_a_whole_run_has_no_filters(plans):
    assert plans["quick"].to_json()["filters"] == {}
