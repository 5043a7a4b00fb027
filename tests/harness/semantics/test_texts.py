"""Texts: every call has one, it is the call of the table, and its arguments can be changed."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters import LIBRARIES, adapter_of
from lossbench.harness.adapters.adapter import Call
from lossbench.harness.semantics import laws
from lossbench.harness.semantics.arguments import defaults_passed
from lossbench.harness.semantics.texts import NUMPY, composed, expression, reduced, text_of, written

WRITTEN = [library for library in LIBRARIES if library != "numpy"]
#: Libraries that are imported by other tests of the same process, so that importing them here costs nothing more.
LIGHT = ("torch", "scipy", "sklearn", "statsmodels", "onnxruntime", "jax", "optax", "native")
CALLS = [
    (library, call, encoding) for library in LIGHT for call in adapter_of(library).calls for encoding in call.encodings
]


@pytest.mark.parametrize("library", WRITTEN)
def test_every_call_has_a_text_and_every_text_a_call(library):
    calls = adapter_of(library).calls
    for call in calls:
        for encoding in call.encodings:
            text = text_of(library, call.form, call.name, call.options, encoding)
            assert "x" in text and ("y" in text or encoding == "-"), (library, call.form, call.name)
    known = {(call.form, call.name) for call in calls}
    for form, texts in written(library).calls.items():
        for key in texts:
            name = key.removesuffix(" gradient").partition("|")[0]
            plain = name.removesuffix(f"[{name.rpartition('[')[2]}") if name.endswith("]") else name
            assert {(form, name), (form, plain)} & known, (library, form, key)


@pytest.mark.parametrize(("library", "call", "encoding"), CALLS, ids=lambda value: getattr(value, "name", str(value)))
def test_texts_are_the_calls_of_the_table(library, call: Call, encoding):
    adapter = adapter_of(library)
    if why := adapter.installed():
        pytest.skip(why)
    lib = adapter.load()
    x, y = laws.base(call.form)
    y = laws.write(y, encoding)
    arrays = {"x": x} if y is None else {"x": x, "y": y}
    put = {name: adapter.put(lib, array, array.dtype.name, "cpu") for name, array in arrays.items()}
    function = adapter.build(lib, call, adapter.modes[0], "F", False)
    if call.rowwise:
        want = np.concatenate([np.asarray(adapter.get(lib, function(*(a[i : i + 1] for a in put.values())))[0])
                               for i in range(len(x))])  # fmt: skip
    else:
        want = adapter.get(lib, function(*put.values()))[0]
    names: dict[str, object] = {}
    exec(f"{NUMPY}\n{written(library).imports}", names)
    got = eval(expression(library, text_of(library, call.form, call.name, call.options, encoding), arrays), names | put)
    np.testing.assert_array_max_ulp(np.asarray(adapter.get(lib, got)[0], float), np.asarray(want, float), 4)


def test_other_reductions():
    text = "torch.nn.functional.cross_entropy(x, y, reduction='none')"
    assert reduced("torch", text, "sum") == "torch.nn.functional.cross_entropy(x, y, reduction='sum')"
    assert reduced("torch", text, "default") == "torch.nn.functional.cross_entropy(x, y)"
    assert reduced("keras", "keras.losses.X(reduction='none', a=1)(y, x)", "mean").count("'sum_over_batch_size'") == 1
    assert reduced("keras", "keras.losses.X(reduction='none', a=1)(y, x)", "default") == "keras.losses.X(a=1)(y, x)"
    assert reduced("torch", f"{text}.sum(-1)", "sum") == ""  # the sum of a sum of classes is no reduction of rows
    assert reduced("sklearn", "sklearn._loss.HalfBinomialLoss().loss(y, x)", "sum") == ""
    assert reduced("scipy", "scipy.special.xlogy(y, x)", "sum") == reduced("numpy", "f(x)", "sum") == ""


def test_graphs_are_run_in_a_session():
    text = expression("onnxruntime", "out = Sigmoid(x)", {"x": np.zeros((2, 3), np.float64)})
    assert "g (double[N,C] x) => (double out) { out = Sigmoid(x) }" in text and '{"x": x}' in text


def test_compositions_are_told_from_functions_that_take_the_labels():
    assert not composed("torch", "nn.functional.cross_entropy", "torch.nn.functional.cross_entropy(x, y)")
    assert not composed("torch", "d.log_prob", "-torch.distributions.Categorical(logits=x).log_prob(y)")
    assert not composed("sklearn", "metrics.log_loss", "asarray([log_loss(y[i:i+1], x[i:i+1]) for i in range(len(x))])")
    assert composed("jax", "nn.softplus", "jax.nn.softplus(x) - y * x")
    assert composed("torch", "nn.functional.softplus", "torch.nn.functional.softplus(-y * x)")
    assert composed("scipy", "special.xlogy+sum", "-scipy.special.xlogy(y, x).sum(-1)")
    assert not composed("onnxruntime", "Sigmoid", "out = Sigmoid(x)")


def loss(x, y, weight=None, *, scale=2.0, _hidden=1, other=()):
    return x


def test_defaults_are_passed_by_name():
    assert defaults_passed("loss(x, y)", {"loss": loss}) == "loss(x, y, weight=None, scale=2.0)"
    assert (
        defaults_passed("-loss(x, y, None, scale=1.0).sum(-1) + loss(x, y)", {"loss": loss}).count("weight=None") == 1
    )
    with pytest.raises(ValueError, match="no default arguments"):
        defaults_passed("abs(x)", {})
