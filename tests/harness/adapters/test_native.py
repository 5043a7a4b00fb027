"""The native adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import pytest

from lossbench.harness.adapters.native import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "lossbench.native")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "numpy")
