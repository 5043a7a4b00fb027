"""The JAX adapter: its table, its arrays, and every call at ordinary points in every mode."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from lossbench.harness.adapters.jax import ADAPTER
from tests.harness.adapters import array_contract

#: float32 in every mode, the other dtypes in the one that compiles once a call, not once an operation.
CELLS = [
    (case, mode)
    for case in array_contract.cases(ADAPTER)
    for mode in ADAPTER.modes
    if mode == "jit" or case.dtype == "float32"
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
    assert lib.scipy.special.logsumexp is lib.nn.logsumexp


def test_put_says_so_when_jax_would_narrow(lib):
    with lib.enable_x64(False), pytest.raises(TypeError, match="jax_enable_x64 must be on"):
        ADAPTER.put(lib, np.ones(2), "float64", "cpu")
