"""Asking one point: every way of answering and of failing, alone and tiled."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest

from lossbench.harness import asking
from lossbench.harness.asking import PARTS, TILE, ask
from lossbench.harness.metrics import CATEGORIES
from lossbench.harness.question import Claim, Question, claims
from lossbench.reference import exact
from tests.harness import oddities, patience


@pytest.fixture(scope="module", autouse=True)
def odd(tmp_path_factory, offered):
    folder = tmp_path_factory.mktemp("odd") / "site"
    with pytest.MonkeyPatch.context() as patch, oddities.offer(folder, patch):
        patience.replace(patch)
        patch.setattr(asking, "run_worker", patience.run_worker)
        yield


def question(form="sigmoid_bce", x=2.0, y=1.0, encoding="binary", dtype="float32"):
    return Question(form, np.asarray(x, np.float64), np.asarray(y), encoding, dtype)


def answers(globs, asked=None, **more):
    asked = asked or question()
    form = asked.form
    truth = {
        part: exact(form, asked.x, asked.y, dtype=asked.dtype, quantity=quantity)
        for part, quantity in zip(PARTS, ("value", "grad:z"), strict=True)
    }
    found = ask(asked, claims(asked, globs), truth, **more)
    return {answer.claim.call: answer for answer in found}


def category(result):
    return [CATEGORIES[code] for code in np.atleast_1d(result.scores.codes)]


@pytest.fixture(scope="module")
def unruly():
    return answers(["fakelib:*"])


@pytest.fixture(scope="module")
def tiled():
    return answers(["fakeodd:*"])


@pytest.mark.parametrize("call", ["works", "babbles", "works_to_the_end", "no_gradient", "refuses_nan", "rowwise"])
def test_a_right_answer_is_scored(unruly, call):
    result = unruly[call].alone["value"]
    assert result.status == "measured" and result.dtype == "float32" and result.got.shape == ()
    assert abs(result.got - math.log1p(math.exp(-2))) < np.spacing(np.float32(0.125)) * 2
    assert category(result) in (["CR"], ["FAITHFUL"]) and result.scores.ulps < 1
    assert not unruly[call].tiled


@pytest.mark.parametrize(
    ("call", "part", "status", "words"),
    [
        ("refuses", "value", "raised", "RuntimeError: no kernel for this"),
        ("refuses", "grad", "raised", "RuntimeError: no kernel for this"),
        ("refuses_gradient", "grad", "raised", "RuntimeError: no kernel for this"),
        ("wrong_shape", "value", "raised", "returned shape (0,), expected (1,)"),
        ("scalar", "value", "raised", "returned shape (), expected (1,)"),
        ("kills", "value", "died", "killed by signal 9"),
        ("kills", "grad", "died", "killed by signal 9"),
        ("hangs", "value", "timeout", "no answer within"),
        ("no_gradient", "grad", "unsupported", "the fake has no autodiff"),
    ],
)
def test_what_fails_says_how_and_costs_only_itself(unruly, call, part, status, words):
    result = unruly[call].alone[part]
    assert (result.status, result.got, result.scores) == (status, None, None)
    assert words in result.reason


def test_a_process_that_leaves_is_not_silent(unruly):
    assert unruly["leaves"].alone["value"].status in ("died", "raised")
    assert unruly["leaves"].alone["value"].reason


def test_every_claim_has_an_answer_of_both_parts(unruly):
    assert len(unruly) == 13
    assert all(set(answer.alone) == set(PARTS) for answer in unruly.values())


def test_the_same_failure_tiled_is_no_difference(unruly):
    assert not unruly["refuses"].tiled and not unruly["kills"].tiled and not unruly["hangs"].tiled


@pytest.mark.parametrize("call", ["steady", "mean", "no_halves"])
def test_what_does_not_differ_tiled_has_no_second_answer(tiled, call):
    assert tiled[call].alone["value"].status == "measured"
    assert not tiled[call].tiled and not tiled[call].differing


def test_what_differs_tiled_is_shown_by_its_worst_and_counted(tiled):
    answer = tiled["vector_code"]
    assert category(answer.alone["value"])[0] in ("CR", "FAITHFUL")
    assert set(answer.tiled) == {"value"} and answer.differing == {"value": TILE - 3}
    assert answer.tiled["value"].got == np.float32(1.5) * np.float32(answer.alone["value"].got)
    assert category(answer.tiled["value"]) == ["FINITE"]
    assert answer.tiled["value"].badness > answer.alone["value"].badness


def test_a_call_that_refuses_vectors_differs(tiled):
    answer = tiled["refuses_vectors"]
    assert answer.alone["value"].status == "measured"
    assert (answer.tiled["value"].status, answer.differing["value"]) == ("raised", TILE)
    assert "one at a time" in answer.tiled["value"].reason


def test_a_wider_result_keeps_its_digits_and_its_dtype(tiled):
    result = tiled["wide"].alone["value"]
    assert result.dtype == "float64" and result.scores.ulps < 2.0**-28
    assert result.got != np.float32(result.got)


def test_an_index_and_its_row_get_the_same_answer():
    found = answers(["fakeodd:*"], question("softmax_xent", [1.0, 3.0, -2.0], 0, "index"))
    assert found["by_index"].alone["value"].got == found["by_row"].alone["value"].got


def test_what_cannot_be_asked_is_not_asked():
    found = answers(["fakeodd:*"], question("softmax_xent", [1.0, 3.0], [0.5, 0.5], "soft"))
    assert found == {}


@pytest.mark.parametrize(("glob", "words"), [("fakebroken:*", "libfake.so.1"), ("fakedeviceless:*", "no processor")])
def test_a_library_that_cannot_be_used_gives_its_reason(glob, words):
    (answer,) = answers([glob]).values()
    assert {part: answer.alone[part].status for part in PARTS} == dict.fromkeys(PARTS, "unavailable")
    assert words in answer.alone["value"].reason


def test_flushing_is_probed_only_where_it_matters():
    assert answers(["fakeflushing:*"])["works"].flushes is None
    answer = answers(["fakeflushing:*"], question(x=-90.0, y=0.0))["works"]
    assert answer.flushes is True and category(answer.alone["value"]) == ["LOST"]
    assert answers(["fakesteady:a:*"], question(x=-90.0, y=0.0))["a"].flushes is False
    assert answers(["fakemute:*"], question(x=-90.0, y=0.0))["works"].flushes is None  # its probe fails


def test_the_worst_has_the_largest_badness(unruly, tiled):
    order = [
        tiled["refuses_vectors"].alone["grad"],  # unsupported: nothing is wrong
        tiled["wide"].alone["value"],
        tiled["vector_code"].tiled["value"],
        answers(["fakeflushing:*"], question(x=-90.0, y=0.0))["works"].alone["value"],
        unruly["kills"].alone["value"],
    ]
    values = [result.badness for result in order]
    assert values == sorted(values) and len(set(values)) == len(values)


def test_two_libraries_at_a_time_each_in_one_process(monkeypatch):
    lock, running, peaks, told = threading.Lock(), set(), [], []

    def worker(command, library, job, folder, listen, alive):
        with lock:
            assert library not in running
            running.add(library)
            peaks.append(len(running))
        time.sleep(0.05)
        for unit in job["units"]:
            listen({"event": "failed", "unit": unit["id"], "status": "died", "reason": "as asked"})
        with lock:
            running.remove(library)

    monkeypatch.setattr(asking, "run_worker", worker)
    found = answers(["fake*:*"], listening=told.append)
    assert max(peaks) == 2 and len(told) == len(set(told)) == len(peaks) > 3
    assert all(answer.alone["value"].reason == "as asked" for answer in found.values())


def test_an_error_ends_every_process(monkeypatch):
    ended, started = [], threading.Event()

    class Process:
        def __init__(self, library):
            self.library = library
            self.over = threading.Event()

    def worker(command, library, job, folder, listen, alive):
        if library == "fakeodd":
            assert started.wait(30)
            raise MemoryError
        process = Process(library)
        alive(process)
        started.set()
        assert process.over.wait(30)

    def end(process):
        ended.append(process.library)
        process.over.set()

    monkeypatch.setattr(asking, "run_worker", worker)
    monkeypatch.setattr(asking, "end", end)
    with pytest.raises(MemoryError):
        answers(["fakeodd:steady:*", "fakelib:works:*"])
    assert ended == ["fakelib"]


def test_absent_claims_cost_nothing(monkeypatch):
    monkeypatch.setattr(asking, "run_worker", None)
    claim = Claim("torch", "x", "eager", "cpu", "binary", absent="torch is not installed")
    assert ask(question(), [claim], {}) == []
