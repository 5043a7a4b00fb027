"""What every adapter must do, checked at a few ordinary points that all formats hold exactly."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest

from lossbench.harness.adapters.adapter import MODES, Adapter, Call, Unsupported

ENCODINGS = {
    "prob_xent": ("index", "onehot", "soft"),
    "softmax_xent": ("index", "onehot", "soft"),
    "sigmoid_bce": ("binary", "soft"),
    "multilabel_bce": ("binary", "soft"),
    "prob_bce": ("binary", "soft"),
    "margin_logistic": ("signed",),
    "sigmoid_mse": ("binary", "soft"),
    "bernoulli_likelihood": ("binary",),
    "bernoulli_log_likelihood": ("binary",),
    **dict.fromkeys(("sigmoid", "log_sigmoid", "softplus", "softmax", "log_softmax", "logsumexp"), ("-",)),
}
VECTOR = ("softmax", "log_softmax")
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
#: in ulps of max(1, |want|): the points are ordinary, and p - y cancels from 1
TOLERANCE_ULP = 8

LOGITS = np.array([0.5, -1.25, 2.0, -0.375])
LOGIT_ROWS = np.array([[0.5, -1.25, 2.0], [1.5, 1.0, -0.75]])
CLASSES = np.array([2, 0])
LABELS = {"binary": [1.0, 0.0, 1.0, 1.0], "soft": [0.25, 0.5, 0.75, 1.0], "signed": [1.0, -1.0, -1.0, 1.0]}
LABEL_ROWS = {"binary": [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], "soft": [[0.25, 0.5, 1.0], [0.0, 0.75, 0.5]]}
DISTRIBUTIONS = np.array([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]])


class Case(NamedTuple):
    """One call with one encoding and dtype."""

    call: Call
    encoding: str
    dtype: str

    def __str__(self):
        parts = (self.call.form, self.call.name, self.encoding, self.call.options, self.dtype)
        return "-".join(part for part in parts if part)


def cases(adapter: Adapter) -> list[Case]:
    """Every call of the table with every encoding and every dtype that it has."""
    return [
        Case(call, encoding, dtype)
        for call in adapter.calls
        for encoding in call.encodings
        for dtype in DTYPES
        if dtype not in adapter.lacks_dtypes and dtype not in call.lacks
    ]


def load(adapter: Adapter):
    """The library, or a skip that says why it is not there."""
    if reason := adapter.installed():
        pytest.skip(reason)
    return adapter.load()


def inputs(call: Call, encoding: str) -> tuple[np.ndarray, ...]:
    """x and, for forms with labels, y."""
    if call.form == "prob_xent":
        x = DISTRIBUTIONS[::-1] / (2 if call.options == "normalized" else 1)
    elif call.form == "prob_bce":
        x = np.array([0.25, 0.125, 0.5, 0.75])
    elif call.form in ("softmax_xent", "multilabel_bce", "softmax", "log_softmax", "logsumexp"):
        x = LOGIT_ROWS
    else:
        x = LOGIT_ROWS if call.form.startswith("bernoulli") else LOGITS
    if encoding == "-":
        return (x,)
    if encoding == "index":
        return x, CLASSES
    if encoding == "onehot":
        return x, np.eye(3)[CLASSES]
    if call.form.endswith("xent"):
        return x, DISTRIBUTIONS
    return x, np.array((LABEL_ROWS if x.ndim == 2 else LABELS)[encoding])


def textbook(call: Call, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """Formula of the form; it takes complex x too, so that its gradient is a complex step."""
    g = 1 / (1 + np.exp(-x))
    if y is not None and y.ndim < x.ndim:
        y = np.eye(x.shape[-1])[y]
    reduce = np.mean if call.options == "over=mean" else np.sum
    weight = 2 if call.options == "pos_weight=2.0" else 1
    if call.options == "label_smoothing=0.1":
        y = 0.9 * y + 0.1 / x.shape[-1]
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True) if x.ndim == 2 else x
    return {
        "prob_xent": lambda: -(y * np.log(x / (x.sum(-1, keepdims=True) if call.options else 1))).sum(-1),
        "softmax_xent": lambda: -(y * np.log(p)).sum(-1),
        "sigmoid_bce": lambda: -(weight * y * np.log(g) + (1 - y) * np.log(1 - g)),
        "multilabel_bce": lambda: reduce(-(y * np.log(g) + (1 - y) * np.log(1 - g)), axis=-1),
        "prob_bce": lambda: -(y * np.log(x) + (1 - y) * np.log(1 - x)),
        "margin_logistic": lambda: np.log(1 + np.exp(-y * x)),
        "sigmoid_mse": lambda: (g - y) ** 2 / 2,
        "bernoulli_likelihood": lambda: (g**y * (1 - g) ** (1 - y)).prod(-1),
        "bernoulli_log_likelihood": lambda: (y * np.log(g) + (1 - y) * np.log(1 - g)).sum(-1),
        "sigmoid": lambda: g,
        "log_sigmoid": lambda: np.log(g),
        "softplus": lambda: np.log(1 + np.exp(x)),
        "softmax": lambda: p,
        "log_softmax": lambda: np.log(p),
        "logsumexp": lambda: np.log(np.exp(x).sum(-1)),
    }[call.form]()


def gradient(call: Call, x: np.ndarray, *y: np.ndarray) -> np.ndarray:
    """Gradient of the sum of the values (component 0 of vectors) by complex step: no error of its own."""
    out = np.empty_like(x)
    for i in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[i] += 1e-30j
        value = textbook(call, moved, *y)
        out[i] = (value[..., 0] if call.form in VECTOR else value).sum().imag / 1e-30
    return out


def put(adapter: Adapter, lib, array: np.ndarray, dtype: str):
    """Hand over a float64 or int64 array in a format, as the worker does: bfloat16 as bits."""
    if array.dtype.kind == "i":
        return adapter.put(lib, array, "int64", "cpu")
    array = array.astype(DTYPES[dtype])
    return adapter.put(lib, array.view(np.uint16) if dtype == "bfloat16" else array, dtype, "cpu")


def check_table(adapter: Adapter) -> None:
    """Every form and encoding is in the table or absent with a reason, never both; names are known."""
    assert set(adapter.modes) <= set(MODES)
    assert set(adapter.lacks_dtypes) <= set(DTYPES)
    offered = [(c.form, e, c.options, c.name) for c in adapter.calls for e in c.encodings]
    assert len(offered) == len(set(offered))
    plain = {(form, encoding) for form, encoding, options, _ in offered if not options}
    for call in adapter.calls:
        assert set(call.encodings) <= set(ENCODINGS[call.form])
        assert set(call.lacks) <= {*adapter.modes, *DTYPES}
        if call.gradient != "autodiff" and not isinstance(call.gradient, Unsupported):
            assert callable(call.gradient)
    absent = {(f, e) for f, es in ENCODINGS.items() for e in es if {f, f"{f}:{e}"} & set(adapter.missing)}
    everything = {(form, encoding) for form, encodings in ENCODINGS.items() for encoding in encodings}
    assert plain | absent == everything
    assert not {(form, encoding) for form, encoding, _, _ in offered} & absent
    known = {*ENCODINGS, *(f"{form}:{encoding}" for form, encoding in everything)}
    assert set(adapter.missing) <= known
    for reason in (*adapter.missing.values(), *adapter.lacks_dtypes.values()):
        assert isinstance(reason, Unsupported) and len(reason.reason.split()) > 3


def check_lazy(adapter: Adapter, module: str) -> None:
    """Importing the adapter does not import its library."""
    name = type(adapter).__module__
    code = f"import sys, {name}; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def check_bits(adapter: Adapter, lib) -> None:
    """Zeros, subnormals, the extremes, infinities and NaN come back as they went; so do class indices."""
    for dtype, scalar in DTYPES.items():
        if dtype in adapter.lacks_dtypes:
            continue
        info = ml_dtypes.finfo(scalar)
        values = [0.0, -0.0, 1.0, -1.5, info.max, info.tiny, info.smallest_subnormal, np.inf, -np.inf, np.nan]
        sent = np.array(values).astype(scalar)
        bits = sent.copy()
        got, name = adapter.get(lib, put(adapter, lib, sent.astype(np.float64), dtype))
        assert name == dtype
        np.testing.assert_array_equal(got.astype(np.float64), bits.astype(np.float64))
        np.testing.assert_array_equal(np.signbit(got), np.signbit(bits))
    indices = np.array([0, 1, 2**40], dtype=np.int64)
    got, name = adapter.get(lib, put(adapter, lib, indices, "float32"))
    assert name == "int64"
    np.testing.assert_array_equal(got, indices)


def close(got: np.ndarray, want: np.ndarray, dtype: str) -> None:
    """Shapes are equal and no element is further than TOLERANCE_ULP off."""
    assert got.shape == want.shape
    ulps = np.abs(got.astype(np.float64) - want) / (EPS[dtype] * np.maximum(1, np.abs(want)))
    assert ulps.max() <= TOLERANCE_ULP, f"{ulps} ulp: got {got}, want {want}"


def check_call(adapter: Adapter, lib, case: Case, mode: str, same_dtype: bool = True) -> None:
    """The call alone and with its gradient, against the textbook in float64; rowwise calls row by row."""
    call, dtype = case.call, case.dtype
    arrays = inputs(call, case.encoding)
    want, want_grad = textbook(call, *arrays), gradient(call, *arrays)
    rows = len(want) if call.rowwise else 1
    for i in range(rows):
        row = slice(i, i + 1) if call.rowwise else slice(None)
        args = [put(adapter, lib, array[row], dtype) for array in arrays]
        value = adapter.build(lib, call, mode, "F", call.form in VECTOR)(*args)
        adapter.sync(lib, value)
        got, name = adapter.get(lib, value)
        assert name == dtype or not same_dtype
        close(got, want[row], dtype)
        if isinstance(call.gradient, Unsupported):
            continue
        value, grad = adapter.build(lib, call, mode, "FB", call.form in VECTOR)(*args)
        adapter.sync(lib, grad)
        close(adapter.get(lib, value)[0], want[row], dtype)
        got, name = adapter.get(lib, grad)
        assert name == dtype or not same_dtype
        close(got, want_grad[row], dtype)
