"""One unit: asked whole, row by row or suite by suite, with every answer or refusal in its place."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness import execution
from lossbench.harness.adapters.adapter import Call, unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter, residual, softplus_bce
from lossbench.harness.cases import BatchKey, draw_batch
from lossbench.harness.execution import Execution, sentence

SUITES = ["landmarks", "non_finite"]
NO_GRADIENT = unsupported("none was written")


@pytest.fixture(scope="module")
def batch():
    return draw_batch(BatchKey("sigmoid_bce", "binary", "float32", 1), SUITES, "quick", 0)


@pytest.fixture(scope="module")
def right(batch):
    """What the stable NumPy formula gives on the batch."""
    with np.errstate(all="ignore"):
        return {"value": softplus_bce(batch.x, batch.y), "grad": residual(batch.x, batch.y)}


def adapter_with(call, kind=NumpyAdapter):
    """NumPy with one call only."""
    return type("One", (kind,), {"library": "one", "calls": (call,)})()


def run(call, batch, mode="eager", kind=NumpyAdapter):
    """The call run on the batch."""
    unit = {
        "form": "sigmoid_bce", "call": call.name, "encoding": "binary", "options": "", "mode": mode,
        "device": "cpu", "dtype": "float32", "slices": batch.slices,
    }  # fmt: skip
    this = Execution(adapter_with(call, kind), np, unit, {"x": batch.x, "y": batch.y})
    this.run()
    return this


def bce(fn, gradient=NO_GRADIENT, **more):
    """A call of sigmoid_bce without gradient, unless given."""
    slope = gradient if gradient is NO_GRADIENT else lambda lib, z, y: gradient(z, y)
    return Call("sigmoid_bce", "call", lambda lib, z, y: fn(z, y), ("binary",), "", slope, **more)


def refuse_nan(z, y):
    if np.isnan(z).any():
        raise ValueError("NaN in the input\nat great length")
    return softplus_bce(z, y)


REFUSAL = "ValueError: NaN in the input"


def test_value_and_gradient(batch, right):
    done = run(bce(softplus_bce, residual), batch)
    assert set(done.stored) == {"value", "grad"}
    for name, want in right.items():
        np.testing.assert_array_equal(done.stored[name], want)
        assert done.stored[name].dtype == np.float64
    assert done.facts == {"dtypes": {"value": "float32", "grad": "float32"}, "errors": {}, "unsupported": {}}


def test_wider_results_stay_wide(batch):
    done = run(bce(lambda z, y: np.full(z.shape, 1 / 3)), batch)
    assert done.facts["dtypes"] == {"value": "float64"}
    assert (done.stored["value"] == 1 / 3).all()


def test_no_gradient_says_why(batch):
    done = run(bce(softplus_bce), batch)
    assert set(done.stored) == {"value"} and done.facts["errors"] == {}
    assert done.facts["unsupported"] == {"grad": "none was written"}


# -- modes

HALF = "RuntimeError: no backward"


def spy(works, fails=()):
    """NumPy that notes what is built, and refuses to build some of it."""

    class Spy(NumpyAdapter):
        def build(self, lib, call, mode, work, vector):
            works.append(work)
            if work in fails:
                raise RuntimeError("no backward")
            return super().build(lib, call, "eager", work, vector)

    return Spy


@pytest.mark.parametrize(
    ("mode", "built"),
    [("eager", ["F", "FB"]), ("jit", ["F", "FB"]), ("compile", ["FB"]), ("compile-max-autotune", ["FB"])],
)
def test_compiled_calls_serve_value_and_gradient_at_once(batch, right, mode, built):
    works = []
    done = run(bce(softplus_bce, residual), batch, mode, spy(works))
    assert works == built
    for name, want in right.items():
        np.testing.assert_array_equal(done.stored[name], want)


@pytest.mark.parametrize("mode", ["eager", "compile"])
def test_a_gradient_that_fails_does_not_take_the_value_with_it(batch, right, mode):
    done = run(bce(softplus_bce, residual), batch, mode, spy([], fails=("FB",)))
    np.testing.assert_array_equal(done.stored["value"], right["value"])
    assert set(done.stored) == {"value"} and done.facts["dtypes"] == {"value": "float32"}
    assert {suite for suite in done.facts["errors"].pop("grad").values()} == {HALF}
    assert done.facts["errors"] == {}


def test_compiling_is_not_tried_suite_by_suite(batch):
    works = []
    done = run(bce(refuse_nan), batch, "compile", spy(works))
    assert works == ["F"] and done.facts["errors"] == {"value": {"*": REFUSAL}}


# -- refusals


def test_a_refusal_of_everything(batch):
    def refuse(z, y):
        raise RuntimeError

    done = run(bce(refuse), batch)
    assert done.stored == {}
    assert set(done.facts["errors"]["value"].values()) == {"RuntimeError: "}
    assert "*" in done.facts["errors"]["value"]


@pytest.mark.parametrize("rowwise", [False, True], ids=["whole", "row by row"])
def test_a_call_that_refuses_nan_is_asked_suite_by_suite(batch, right, rowwise):
    done = run(bce(refuse_nan, rowwise=rowwise), batch)
    assert done.facts["errors"] == {"value": {"non_finite": REFUSAL}}
    start, stop = batch.slices["landmarks"]
    np.testing.assert_array_equal(done.stored["value"][start:stop], right["value"][start:stop])
    assert np.isnan(np.delete(done.stored["value"], np.s_[start:stop])).all()


@pytest.mark.parametrize(
    "result", [lambda v: v.mean(), lambda v: v[:1], lambda v: v[:, None].T], ids=["scalar", "one", "turned"]
)
def test_a_call_that_refuses_nan_and_answers_in_another_shape_is_not_stretched(batch, result):
    """One number for a whole suite is no answer for each of its cases."""
    done = run(bce(lambda z, y: result(refuse_nan(z, y))), batch)
    assert done.stored == {}
    assert done.facts["errors"]["value"]["*"] == REFUSAL


# -- row by row


@pytest.mark.parametrize("limit", [5, 200])
def test_rows_are_spread_over_a_long_batch(monkeypatch, batch, right, limit):
    monkeypatch.setattr(execution, "ROWWISE_LIMIT", limit)
    sizes = []

    def mean(z, y):
        sizes.append((len(z), len(y)))
        return softplus_bce(z, y).mean()

    done = run(bce(mean, lambda z, y: residual(z, y), rowwise=True), batch)
    index, n = done.stored["index"], len(batch.x)
    spread = np.linspace(0, n - 1, min(limit, n)).astype(int)
    landmarks = range(*batch.slices["landmarks"])  # a small suite is asked whole
    assert index.tolist() == sorted({*spread.tolist(), *landmarks})
    assert set(sizes) == {(1, 1)}
    for name, want in right.items():
        np.testing.assert_array_equal(done.stored[name], want[index])
        assert done.facts["dtypes"][name] == "float32"


def test_a_suite_between_the_rows_is_no_crash(monkeypatch, batch):
    """Where few rows are asked, a small suite may have none of them."""
    monkeypatch.setattr(execution, "ROWWISE_LIMIT", 3)
    start, stop = batch.slices["landmarks"]
    slices = {"landmarks": (start, stop), "missed": (stop, stop + 1), "non_finite": (stop + 1, len(batch.x))}
    chosen = np.linspace(0, len(batch.x) - 1, 3).astype(int)
    assert stop not in chosen
    split = type(batch)(batch.key, batch.x, batch.y, batch.suite, batch.region, batch.hashes)
    call = bce(lambda z, y: refuse_nan(z, y).mean(), rowwise=True)
    unit = {
        "form": "sigmoid_bce", "call": "call", "encoding": "binary", "options": "", "mode": "eager",
        "device": "cpu", "dtype": "float32", "slices": slices,
    }  # fmt: skip
    x = split.x.copy()
    x[chosen[-1]] = np.nan
    done = Execution(adapter_with(call), np, unit, {"x": x, "y": split.y})
    done.run()
    assert done.facts["errors"] == {"value": {"non_finite": REFUSAL}}
    assert np.isfinite(done.stored["value"][0])


@pytest.mark.parametrize("result", [np.zeros(()), np.zeros(1)], ids=lambda a: str(a.shape))
@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((3, 4))], ids=["numbers", "rows"])
def test_rows_are_put_together_again(x, result):
    """A call that is fed one row returns a number or a row of one."""
    name = "sigmoid_bce" if x.ndim == 1 else "softmax_xent"
    call = Call(name, "c", lambda lib, x, y: result, ("soft",), gradient=lambda lib, x, y: x, rowwise=True)
    unit = {
        "form": name, "call": "c", "encoding": "soft", "options": "", "mode": "eager", "device": "cpu",
        "dtype": "float64", "slices": {"all": (0, 3)},
    }  # fmt: skip
    done = Execution(adapter_with(call), np, unit, {"x": x, "y": x})
    done.run()
    assert done.stored["value"].shape == (3,) and done.stored["grad"].shape == x.shape


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (KeyError("k"), "KeyError: 'k'"),
        (RuntimeError(), "RuntimeError: "),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("\n\n  one\n"), "ValueError: one"),
        (ValueError("x" * 999), "ValueError: " + "x" * 288),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_reason_is_one_line(error, text):
    assert sentence(error) == text
