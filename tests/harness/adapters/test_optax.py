"""The Optax adapter: its table, its arrays, and every call at ordinary points in every mode."""

from __future__ import annotations

import pytest

from lossbench.harness.adapters.optax import ADAPTER
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


def test_every_cross_entropy_of_optax_is_listed(lib):
    listed = " ".join(call.name for call in ADAPTER.calls)
    assert all(name in listed for name in (*dir(lib), *dir(lib.losses)) if "cross_entropy" in name)
