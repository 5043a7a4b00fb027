"""The scipy adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.scipy import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "scipy")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager", same_dtype=False)


def test_there_is_no_gradient():
    with pytest.raises(ValueError, match="no autodiff"):
        ADAPTER.build(None, ADAPTER.calls[0], "eager", "FB", False)


@pytest.mark.parametrize(
    ("name", "dtype"), [("expit", "float64"), ("log_expit", "float64"), ("softplus", "float16")]
)
def test_result_format_of_float16_is_what_scipy_returns(lib, name, dtype):
    call = next(c for c in ADAPTER.calls if c.name == f"special.{name}" and c.encodings == ("-",))
    value = ADAPTER.build(lib, call, "eager", "F", False)(np.array([0.5], dtype=np.float16))
    assert ADAPTER.get(lib, value)[1] == dtype
