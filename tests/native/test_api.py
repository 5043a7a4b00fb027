"""Arguments, messages, `out`, `prepare`, and what the package imports."""

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lossbench import native
from lossbench.native import blocks, choice, form, losses

z3 = np.array([0.5, -1.0, 2.0])
y3 = np.array([1.0, 0.0, 0.5])
z23 = np.array([[0.5, -1.0, 2.0], [1.0, 1.0, 0.0]])
y23 = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
t2 = np.array([2, 0])

#: id -> (call, error, words that the message must hold)
REFUSED = {
    "integer logits": (
        lambda: native.sigmoid_bce(np.arange(3), y3),
        TypeError,
        ["sigmoid_bce: z", "int64", "float32"],
    ),
    "complex": (lambda: native.sigmoid(np.zeros(2, complex)), TypeError, ["sigmoid: x", "complex128"]),
    "no labels": (lambda: native.sigmoid_bce(z3, None), TypeError, ["sigmoid_bce: y", "object"]),
    "text labels": (lambda: native.margin_logistic(z3, ["a", "b", "c"]), TypeError, ["margin_logistic: y"]),
    "broadcast labels": (lambda: native.sigmoid_bce(z3, y3[:, None]), ValueError, ["(3, 1)", "(3,)"]),
    "scalar label": (lambda: native.sigmoid_bce(z3, 1.0), ValueError, ["sigmoid_bce: y", "()", "(3,)"]),
    "label above 1": (lambda: native.sigmoid_bce(z3, y3 * 3), ValueError, ["y[0]", "3.0", "[0, 1]"]),
    "label -1": (lambda: native.sigmoid_bce(z3, [1, -1, 1]), ValueError, ["y[1]", "-1.0", "margin_logistic"]),
    "multilabel": (lambda: native.multilabel_bce(z23, -y23), ValueError, ["multilabel_bce: y[0, 0]", "-1.0"]),
    "soft mse": (lambda: native.sigmoid_mse(z3, y3 + 1), ValueError, ["sigmoid_mse: y[0]"]),
    "prob": (lambda: native.prob_bce(np.array([0.5]), [2]), ValueError, ["prob_bce: y[0]"]),
    "margin 0": (
        lambda: native.margin_logistic(z3, [1, 0, 1]),
        ValueError,
        ["y[1]", "-1 or +1", "sigmoid_bce"],
    ),
    "soft sample": (lambda: native.bernoulli_likelihood(z23, y23), ValueError, ["y[1, 0]", "0.5", "0 or 1"]),
    "soft sample log": (lambda: native.bernoulli_log_likelihood(z23, y23), ValueError, ["y[1, 0]", "0 or 1"]),
    "index too large": (lambda: native.softmax_xent(z23, [0, 3]), ValueError, ["y[1]", "3", "0..2"]),
    "index -1": (lambda: native.softmax_xent.grad(z23, [-1, 0]), ValueError, ["y[0]", "-1", "0..2"]),
    "prob index": (lambda: native.prob_xent(np.abs(z23), [-1, 0]), ValueError, ["prob_xent: y[0]", "0..2"]),
    "float index": (
        lambda: native.softmax_xent(z23, np.array([0.0, 1.0])),
        TypeError,
        ["float64", "integers"],
    ),
    "bool index": (
        lambda: native.softmax_xent(z23, np.array([True, False])),
        TypeError,
        ["bool", "integers"],
    ),
    "index shape": (lambda: native.softmax_xent(z23, [0, 1, 2]), ValueError, ["(3,)", "(2, 3)", "(2,)"]),
    "column index": (lambda: native.softmax_xent(z23, t2[:, None]), ValueError, ["(2, 1)", "(2,)"]),
    "negative mass": (lambda: native.softmax_xent(z23, -y23), ValueError, ["y[0, 0]", ">= 0"]),
    "infinite mass": (lambda: native.prob_xent(z23, y23 + np.inf), ValueError, ["prob_xent: y[0, 0]", "inf"]),
    "no class axis": (lambda: native.softmax(np.array(1.0)), ValueError, ["softmax: x", "()", "K >= 1"]),
    "no classes": (lambda: native.logsumexp(np.zeros((2, 0))), ValueError, ["logsumexp: x", "(2, 0)"]),
    "reduction": (lambda: native.softplus(z3, reduction="avg"), ValueError, ["reduction", "'avg'", "'mean'"]),
    "reduction type": (
        lambda: native.softplus(z3, reduction=None),
        ValueError,
        ["reduction", "None", "'none'"],
    ),
    "over": (lambda: native.multilabel_bce(z23, y23, over="max"), ValueError, ["over", "'max'", "'sum'"]),
    "normalized": (lambda: native.prob_xent(z23, y23, normalized=1), ValueError, ["normalized", "1", "True"]),
    "option": (lambda: native.sigmoid_bce(z3, y3, over="mean"), TypeError, ["'over'", "label_smoothing, pos_weight"]),
    "option of prob": (
        lambda: native.prob_xent.grad(z23, y23, norm=True),
        TypeError,
        ["'norm'", "normalized"],
    ),
    "threads 0": (lambda: native.softplus(z3, threads=0), ValueError, ["threads", "0", ">= 1"]),
    "threads True": (lambda: native.softplus(z3, threads=True), TypeError, ["threads", "True"]),
    "threads float": (lambda: native.softplus(z3, threads=2.0), TypeError, ["threads", "2.0"]),
    "cotangent": (
        lambda: native.softmax_xent.grad(z23, t2, grad_out=y23),
        ValueError,
        ["grad_out", "(2, 3)", "(2,)"],
    ),
    "cotangent sum": (
        lambda: native.softplus.grad(z3, reduction="sum", grad_out=z3),
        ValueError,
        ["softplus: grad_out", "(3,)", "()"],
    ),
    "cotangent dtype": (
        lambda: native.softplus.grad(z3, grad_out=z3 * 1j),
        TypeError,
        ["grad_out", "complex128"],
    ),
    "out list": (lambda: native.softplus(z3, out=[0, 0, 0]), TypeError, ["softplus: out", "list"]),
    "out dtype": (
        lambda: native.softplus(z3, out=np.zeros(3, "f4")),
        TypeError,
        ["out", "float32", "float64"],
    ),
    "out shape": (lambda: native.softplus(z3, out=np.zeros((3, 1))), ValueError, ["out", "(3, 1)", "(3,)"]),
    "out reduced": (
        lambda: native.softplus(z3, reduction="sum", out=np.zeros(1)),
        ValueError,
        ["out", "(1,)", "()"],
    ),
    "out single": (
        lambda: native.softplus.value_and_grad(z3, out=np.zeros(3)),
        TypeError,
        ["out", "ndarray", "pair"],
    ),
    "out triple": (lambda: native.softplus.prepare(z3, out=(None, None, None)), TypeError, ["out", "pair"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, error, words = REFUSED[name]
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_overlapping_and_read_only_outputs_are_refused():
    memory = np.zeros(8)
    with pytest.raises(ValueError, match="shares memory with x"):
        native.softplus(memory[:4], out=memory[2:6])
    with pytest.raises(ValueError, match="shares memory with y"):
        native.sigmoid_bce.grad(z3, memory[:3], out=memory[:3])
    with pytest.raises(ValueError, match="shares memory with grad_out"):
        native.softplus.grad(z3, grad_out=memory[:3], out=memory[:3])
    with pytest.raises(ValueError, match="shares memory with the buffer of the value"):
        native.softplus.value_and_grad(z3, out=(memory[:3], memory[1:4]))
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.softplus(z3, out=frozen)
    interleaved = native.softplus(memory[::2], out=memory[1::2])  # neighbours, but no shared element
    np.testing.assert_array_equal(interleaved, np.log(2))


def test_nothing_is_written_before_a_label_is_refused():
    out = np.full(3, 7.0), np.full(3, 7.0)
    with pytest.raises(ValueError, match=r"y\[2\]"):
        native.sigmoid_bce.value_and_grad(z3, [0, 1, 2], out=out)
    assert (out[0] == 7).all()
    assert (out[1] == 7).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_out_receives_the_result_and_is_returned(formats, dtype):
    z, y = z23.astype(formats[dtype][0]), y23.astype(formats[dtype][0])
    value, grad = native.softmax_xent.value_and_grad(z, y)
    strided = np.zeros((2, 6), z.dtype)[:, ::2]
    out = np.zeros(2, z.dtype), strided
    got = native.softmax_xent.value_and_grad(z, y, out=out)
    assert got[0] is out[0]
    assert got[1] is strided
    np.testing.assert_array_equal(out[0], value)
    np.testing.assert_array_equal(strided, grad)
    only_grad = np.zeros((2, 3), z.dtype)
    assert native.softmax_xent.value_and_grad(z, y, out=(None, only_grad))[1] is only_grad
    assert native.softmax_xent.grad(z, y, out=only_grad) is only_grad
    assert native.softmax_xent.hess_diag(z, y, out=strided) is strided
    total = np.zeros((), z.dtype)
    assert native.softmax_xent(z, y, reduction="mean", out=total) is total
    assert total == native.softmax_xent(z, y, reduction="mean")


def test_prepared_call_recomputes_on_its_buffers():
    z, y = z23.copy(), t2.copy()
    call = native.softmax_xent.prepare(z, y, reduction="mean", threads=2)
    first = call()
    assert first == native.softmax_xent(z, y, reduction="mean")
    z += [[1.0, 0.0, -2.0]]
    y[:] = 1
    assert call() is first
    assert first == native.softmax_xent(z, y, reduction="mean")
    value, grad = call.value_and_grad()
    assert value is first
    np.testing.assert_array_equal(grad, native.softmax_xent.grad(z, y, reduction="mean"))
    assert call.grad() is grad
    np.testing.assert_array_equal(call.hess_diag(), native.softmax_xent.hess_diag(z, y, reduction="mean"))
    y[0] = 3
    with pytest.raises(ValueError, match=r"y\[0\]"):
        call()


def test_prepared_call_with_buffers_options_and_cotangent():
    value, grad = np.zeros(2), np.zeros((2, 3))
    weight = np.array([2.0, 0.5])
    call = native.multilabel_bce.prepare(z23, y23, out=(value, grad), over="mean", grad_out=weight)
    assert call() is value
    assert call.grad() is grad
    want = native.multilabel_bce.grad(z23, y23, over="mean")
    np.testing.assert_array_equal(grad, want * weight[:, None])
    assert native.softmax.prepare(z23)().shape == (2, 3)


def test_numbers_and_lists_are_arrays_of_float64():
    got = native.sigmoid_bce(0.0, 1)
    assert isinstance(got, np.ndarray)
    assert got.shape == ()
    assert got.dtype == np.float64
    assert native.sigmoid_bce([0.5], [True]).shape == (1,)
    assert native.softmax_xent([0.5, 1.0], 1).shape == ()
    assert native.softmax_xent.grad([0.5, 1.0], np.int8(1)).shape == (2,)


def test_threads_change_nothing():
    want = native.softmax_xent(z23, t2)
    for threads in (None, 1, 4, np.int64(2)):
        np.testing.assert_array_equal(native.softmax_xent(z23, t2, threads=threads), want)


def test_inputs_are_left_alone():
    for op in (native.softmax_xent, native.multilabel_bce, native.prob_xent):
        z, y = np.abs(z23), y23.copy()
        op.value_and_grad(z, y)
        op.hess_diag(z, y)
        np.testing.assert_array_equal(z, np.abs(z23))
        np.testing.assert_array_equal(y, y23)


def test_every_form_is_listed_and_documented():
    names = set(native.__all__) - {"implementation", "using"}
    listed = {getattr(native, name) for name in names}
    assert {repr(op) for op in listed} == {f"lossbench.native.{name}" for name in names}
    classes = {type(op) for op in listed}
    defined = {
        c
        for module in (losses, blocks)
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, form.Form) and c.__module__ == module.__name__
    }
    assert classes == defined
    for c in classes:
        for word in ("Shapes:", "Domain:", "Limits:", "Gradient:", "See:", ">>>"):
            assert word in c.__doc__, (c, word)


@pytest.mark.parametrize("module", [losses, blocks], ids=lambda m: m.__name__)
def test_doctests(module):
    result = doctest.testmod(module)
    assert result.attempted >= 12
    assert result.failed == 0


#: the modules that compile: imported at the first call, never with the package
COMPILING = {
    *("trace", "storage", "loops", "passes", "store", "reader", "results", "elements", "mass", "columns", "rows"),
    *("side", "products", "hot", "scan", "ziv", "emit", "verify", "kernels"),
}


def test_imports():
    found = {}
    for path in Path(native.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path.name
                names = set() if node.level else {str(node.module).split(".")[0]}
            else:
                continue
            for name in names - set(sys.stdlib_module_names):
                found.setdefault(name, set()).add(path.stem)
    assert set(found) == {"numpy", "ml_dtypes", "numba", "llvmlite"}
    assert found["numba"] == {"kernels"}
    assert found["llvmlite"] <= COMPILING | {"choice"}  # which asks for the CPU, at the first call


def test_importing_the_package_compiles_nothing():
    code = "import sys, lossbench.native; print(sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_implementation_is_chosen_with_a_reason(monkeypatch):
    name, reason = native.implementation()
    assert name in ("numba", "numpy")
    assert reason
    with native.using("numpy"):
        assert choice.engine() is None
    with pytest.raises(ValueError, match="got 'fortran'"), native.using("fortran"):
        pass
    choice.implementation.cache_clear()
    try:
        monkeypatch.setenv("LOSSBENCH_NATIVE", "numpy")
        assert native.implementation() == ("numpy", "LOSSBENCH_NATIVE=numpy")
        choice.implementation.cache_clear()
        monkeypatch.setenv("LOSSBENCH_NATIVE", "c")
        with pytest.raises(ValueError, match="LOSSBENCH_NATIVE: got 'c'"):
            native.implementation()
        choice.implementation.cache_clear()
        monkeypatch.delenv("LOSSBENCH_NATIVE")
        choice._lacking.cache_clear()
        monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
        assert native.implementation() == ("numpy", "numba is not installed")
        with pytest.raises(ImportError, match="numba is not installed"), native.using("numba"):
            pass
        choice.implementation.cache_clear()
        monkeypatch.setenv("LOSSBENCH_NATIVE", "numba")
        with pytest.raises(ImportError, match="LOSSBENCH_NATIVE=numba, but numba is not installed"):
            native.implementation()
    finally:
        choice._lacking.cache_clear()
        choice.implementation.cache_clear()


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "bool"])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_integer_labels_are_those_numbers_at_every_call(kind, reduction):
    z = np.linspace(-3, 3, 12, dtype=np.float32)
    y = (np.arange(12) % 2).astype(kind)
    want = native.sigmoid_bce.value_and_grad(z, y.astype(np.float32), reduction=reduction)
    step = native.sigmoid_bce.prepare(z, y, reduction=reduction)
    for _ in range(3):
        for got in (native.sigmoid_bce.value_and_grad(z, y, reduction=reduction), step.value_and_grad()):
            for a, b in zip(got, want, strict=True):
                np.testing.assert_array_equal(a, b)
    y[:] = 1 - y if kind != "bool" else ~y
    want = native.sigmoid_bce(z, y.astype(np.float32), reduction=reduction)
    np.testing.assert_array_equal(step(), want)
    np.testing.assert_array_equal(native.sigmoid_bce(z, y, reduction=reduction), want)
    if kind != "bool":
        y[3] = 7
        for call in (step, lambda: native.sigmoid_bce(z, y, reduction=reduction)):
            with pytest.raises(ValueError, match=r"y\[3\]: got 7"):
                call()


@pytest.mark.parametrize("kind", ["int8", "int32", "uint64"])
def test_class_indices_of_other_widths(kind):
    z = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    t = np.array([0, 3, 1, 2, 2])
    want = native.softmax_xent(z, t)
    for _ in range(3):
        np.testing.assert_array_equal(native.softmax_xent(z, t.astype(kind)), want)
    wrong = t.astype(kind)
    wrong[2] = 4
    for _ in range(2):
        with pytest.raises(ValueError, match=r"y\[2\]: got 4; wants a class index in 0\.\.3"):
            native.softmax_xent(z, wrong)
    masses = np.array([[0, 2**24 + 1, 0, 0]], np.int32)  # not a float32
    exact = native.softmax_xent(z[:1].astype(np.float64), masses)
    for _ in range(3):
        np.testing.assert_array_max_ulp(native.softmax_xent(z[:1], masses)[0], np.float32(exact[0]), 1)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_reductions_that_repeat_follow_their_inputs(dtype, reduction):
    rng = np.random.default_rng(3)
    z, t = rng.normal(0, 5, (40, 30)).astype(dtype), rng.integers(0, 30, 40)
    step = native.softmax_xent.prepare(z, t, reduction=reduction)
    for _ in range(3):
        with native.using("numpy"):
            want = native.softmax_xent.value_and_grad(z, t, reduction=reduction)
        for got in (step.value_and_grad(), native.softmax_xent.value_and_grad(z, t, reduction=reduction)):
            for a, b in zip(got, want, strict=True):
                np.testing.assert_array_max_ulp(a, b, maxulp=1)
        z[:] = rng.normal(0, 5, z.shape)
        t[:] = rng.integers(0, 30, 40)
    z[7, 2] = np.inf
    t[7] = 0
    assert step() == native.softmax_xent(z, t, reduction=reduction) == np.inf
    z[7, 3] = np.nan
    assert np.isnan(step()) and np.isnan(native.softmax_xent(z, t, reduction=reduction))
