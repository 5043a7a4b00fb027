"""The audit of the reference: what it plans, what it counts, and that it does not overlook a failure."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lossbench.cli import main
from lossbench.harness import audit as module
from lossbench.harness import rates
from lossbench.harness.audit import EXHAUSTIVE, HARD, RANDOM, Task, audit, examine, tasks
from lossbench.reference import FORMS
from lossbench.reference.formats import FORMATS
from lossbench.reference.referee import DisagreementError

SCALAR = Task(RANDOM, "sigmoid_bce", "binary", "", "float32", "value", count=30)


class Silent:
    def advance(self, steps=1):
        pass


def test_a_full_audit_asks_what_it_promises():
    planned = tasks(1_000_000, hard=True, exhaustive=True)
    random = [task for task in planned if task.kind == RANDOM]
    assert sum(task.count for task in random if task.reduction == "none") >= 1_000_000
    assert {(task.form, task.dtype) for task in random} == {(form.name, dtype) for form in FORMS for dtype in FORMATS}
    assert {(t.reduction, t.denominator) for t in random} == {
        ("none", "N"),
        ("sum", "N"),
        ("mean", "N"),
        ("mean", "sum_w"),
    }
    assert {t.quantity for t in random if t.form == "softmax_xent"} == {"value", "grad:z", "hess_diag:z", "hvp:z"}
    every = [task for task in planned if task.kind == EXHAUSTIVE]
    for form in (form for form in FORMS if not form.class_axis):
        for dtype in ("float16", "bfloat16"):
            mine = [task for task in every if (task.form, task.dtype) == (form.name, dtype)]
            assert {task.quantity for task in mine} == set(form.quantities[:2])
            assert {task.first for task in mine} == set(range(0, 1 << 16, 1 << 14))


def test_every_input_of_a_half_format_is_asked_once():
    form = "sigmoid"
    inputs = [
        value
        for first in range(0, 1 << 16, 1 << 14)
        for value in module._drawn(Task(EXHAUSTIVE, form, "-", "", "bfloat16", "value", count=1 << 14, first=first))[0]
    ]
    assert len(inputs) == 1 << 16
    assert len({value.hex() for value in inputs if value == value}) == (1 << 16) - 2 * 127  # NaN codes left out


@pytest.mark.parametrize(
    "task",
    [
        SCALAR,
        Task(RANDOM, "softmax_xent", "soft", "label_smoothing=0.1", "float8_e4m3fn", "hvp:z", count=20),
        Task(HARD, "logsumexp", "-", "", "float64", "grad:z", suite="landmarks"),
        Task(EXHAUSTIVE, "prob_bce", "binary", "", "float16", "grad:p", count=1 << 9, first=0x3A00),
        Task(RANDOM, "softmax_xent", "index", "weight=0.5;0.0;3.0;0.1", "float32", "value", 6, "", "mean", "sum_w"),
    ],
    ids=lambda t: f"{t.kind}-{t.form}-{t.reduction}",
)
def test_points_are_certified(task):
    found = examine(task)
    assert not found.failures
    assert found.points[task.kind] == (1 if task.reduction == "mean" else found.points[task.kind]) > 0
    assert sum(found.certificates.values()) == sum(found.oracles.values()) > 0
    if task.kind != EXHAUSTIVE:
        assert set(found.oracles) == {"O1+O2"}


def test_a_disagreement_is_found_at_its_point(monkeypatch):
    real, x = module.evaluate, module._drawn(SCALAR)[0]

    def wrong_at_one_point(form, x_, *rest, **keywords):
        if x[7] in x_:
            raise DisagreementError(f"at {x[7]}")
        return real(form, x_, *rest, **keywords)

    monkeypatch.setattr(module, "evaluate", wrong_at_one_point)
    with ThreadPoolExecutor(1) as executor:
        found = audit(
            [SCALAR, Task(HARD, "sigmoid", "-", "", "float32", "value", suite="landmarks")], executor, Silent()
        )
    assert found.failures and set(found.failures) == {f"at {x[7]}"}
    assert found.points[RANDOM] == 0 and found.points[HARD] > 0


def test_the_command_counts_points_and_fails_on_failures(capsys, monkeypatch):
    few = [SCALAR, Task(EXHAUSTIVE, "sigmoid", "-", "", "float16", "value", count=512, first=0)]
    monkeypatch.setattr("lossbench.auditing.tasks", lambda points, hard, exhaustive: few)
    assert main(["audit", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["points"] == {"random": 30, "exhaustive": 512} and facts["failures"] == []
    assert main(["audit"]) == 0
    assert "no undecided point, no disagreement" in capsys.readouterr().out
    assert main(["audit", "--points", "-1"]) == 2

    def broken(planned, executor, progress):
        return module.Findings(failures=["sigmoid at 3"])

    monkeypatch.setattr("lossbench.auditing.audit", broken)
    assert main(["audit"]) == 1
    assert "FAILED: sigmoid at 3" in capsys.readouterr().out


def test_rates_are_ratios_of_both_tiers(monkeypatch, capsys):
    monkeypatch.setattr(rates, "ROUNDS", 1)
    monkeypatch.setattr(rates, "ROUND_S", 0.001)
    assert main(["audit", "--rates", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(r["classes"], r["dtype"], r["contender"]) for r in found} == {
        (classes, dtype, tier)
        for classes in (1, 10, 1000)
        for dtype in ("float32", "float64")
        for tier in ("certified", "bulk")
    }
    assert all(0 < r["least"] <= r["ratio"] <= r["most"] and r["plain_per_s"] > 0 for r in found)
