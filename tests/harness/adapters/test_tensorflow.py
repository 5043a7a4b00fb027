"""The TensorFlow adapter: its table, its arrays, and every call at ordinary points in every mode."""

from __future__ import annotations

import os

import ml_dtypes
import numpy as np
import pytest

from lossbench.harness.adapters.tensorflow import ADAPTER
from tests.harness.adapters import array_contract

# Before the import, as a worker process has it.
os.environ.update(ADAPTER.environ)

LOG_LOSS = "compat.v1.losses.log_loss"


def in_float32(call):
    """Whether it ends in compute_weighted_loss, which casts to float32 and back."""
    return call.name.startswith("compat.v1.losses.") and call.name != LOG_LOSS


#: float32 in every mode, the other dtypes in the one that compiles nothing.
#: The losses of compat.v1 that are less than their dtype promises have tests of their own.
CELLS = [
    (case, mode)
    for case in array_contract.cases(ADAPTER)
    for mode in ADAPTER.modes
    if mode == "eager" or case.dtype == "float32"
    if case.call.name != LOG_LOSS and not (in_float32(case.call) and case.dtype == "float64")
]


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    for module in ADAPTER.requires:
        array_contract.check_lazy(ADAPTER, module)


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize(("case", "mode"), CELLS, ids=str)
def test_call(lib, case, mode):
    array_contract.check_call(ADAPTER, lib, case, mode)


def test_devices(lib):
    devices = ADAPTER.devices(lib)
    assert devices["cpu"] == ""
    assert devices["cuda"] == "" or devices["cuda"].endswith(".")
    assert ADAPTER.version()


def test_put_keeps_and_owns_the_bits(lib):
    # The library computes first: it may have set this thread to flush subnormals to zero.
    softplus = next(call for call in ADAPTER.calls if call.form == "softplus")
    ordinary = ADAPTER.put(lib, np.ones(64, np.float32), "float32", "cpu")
    ADAPTER.sync(lib, ADAPTER.build(lib, softplus, "eager", "F", False)(ordinary))
    for dtype, scalar in array_contract.DTYPES.items():
        smallest = np.full(64, ml_dtypes.finfo(scalar).smallest_subnormal)
        array = smallest.view(np.uint16) if dtype == "bfloat16" else smallest
        tensor = ADAPTER.put(lib, array, dtype, "cpu")
        array[...] = 0
        values, name = ADAPTER.get(lib, tensor)
        assert name == dtype
        assert (values == float(ml_dtypes.finfo(scalar).smallest_subnormal)).all()


def test_names_left_out_are_the_same_function(lib):
    for name in ("sigmoid", "softplus", "softmax", "log_softmax"):
        assert getattr(lib.math, name) is getattr(lib.nn, name)


@pytest.mark.parametrize("mode", ADAPTER.modes)
@pytest.mark.parametrize("encoding", ["binary", "soft"])
@pytest.mark.parametrize("given", array_contract.DTYPES)
def test_log_loss_adds_its_epsilon_and_computes_in_float32(lib, given, encoding, mode):
    call = next(call for call in ADAPTER.calls if call.name == LOG_LOSS)
    p, y = array_contract.inputs(call, encoding)
    tensors = [array_contract.put(ADAPTER, lib, array, given) for array in (p, y)]
    value, gradient = ADAPTER.build(lib, call, mode, "FB", False)(*tensors)
    value, dtype = ADAPTER.get(lib, value)
    assert dtype == "float32"
    a, b = p + 1e-7, 1 - p + 1e-7
    array_contract.close(value, -y * np.log(a) - (1 - y) * np.log(b), "float32")
    gradient, dtype = ADAPTER.get(lib, gradient)
    assert dtype == given
    precision = "float32" if given == "float64" else given
    array_contract.close(gradient, -y / a + (1 - y) / b, precision)


@pytest.mark.parametrize(
    "call", [call for call in ADAPTER.calls if in_float32(call)], ids=lambda call: f"{call.form}-{call.name}"
)
def test_v1_losses_are_no_better_than_float32(lib, call):
    x, y = array_contract.inputs(call, call.encodings[0])
    tensors = [array_contract.put(ADAPTER, lib, array, "float64") for array in (x, y)]
    value, gradient = ADAPTER.build(lib, call, "eager", "FB", False)(*tensors)
    value, dtype = ADAPTER.get(lib, value)
    # The result says float64, and compute_weighted_loss has passed it through float32.
    assert dtype == "float64"
    np.testing.assert_array_equal(value, value.astype(np.float32))
    array_contract.close(value, array_contract.textbook(call, x, y), "float32")
    array_contract.close(ADAPTER.get(lib, gradient)[0], array_contract.gradient(call, x, y), "float64")
