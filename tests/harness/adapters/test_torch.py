"""The torch adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.torch import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "torch")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager")


# torch's own compiler uses what torch deprecates
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "mode"), [("nn.functional.cross_entropy", "compile"), ("softmax", "compile-max-autotune")]
)
def test_compiled(lib, name, mode):
    case = next(c for c in array_contract.cases(ADAPTER) if c.call.name == name and c.dtype == "float32")
    array_contract.check_call(ADAPTER, lib, case, mode)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_put_shares_memory(lib, dtype):
    array = np.ones(8, dtype=np.uint16 if dtype == "bfloat16" else dtype)
    tensor = ADAPTER.put(lib, array, dtype, "cpu")
    assert tensor.data_ptr() == array.ctypes.data
    assert str(tensor.dtype) == f"torch.{dtype}"


def test_put_takes_arrays_that_are_read_only(lib):
    array = np.ones(3, dtype=np.float32)
    array.flags.writeable = False
    assert ADAPTER.put(lib, array, "float32", "cpu").sum() == 3


def test_inputs_are_left_without_gradient(lib):
    x, sigmoid = lib.ones(3), next(call for call in ADAPTER.calls if call.name == "sigmoid")
    ADAPTER.build(lib, sigmoid, "eager", "FB", False)(x)
    assert not x.requires_grad


def test_cuda_is_there_or_says_why(lib):
    devices = ADAPTER.devices(lib)
    assert devices["cpu"] == ""
    assert (devices["cuda"] == "") == lib.cuda.is_available()
