"""The onnxruntime adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.onnxruntime import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "onnxruntime")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager", same_dtype=False)


def test_models_are_made_once(lib):
    call = ADAPTER.calls[0]
    value = ADAPTER.build(lib, call, "eager", "F", False)
    results = [value(np.zeros((2, 3), np.float32), np.array([0, 1])) for _ in range(2)]
    assert results[0].tolist() == results[1].tolist()
    np.testing.assert_array_almost_equal_nulp(results[0], np.log(np.full(2, 3, np.float32)), 2)
