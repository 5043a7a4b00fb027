"""The statsmodels adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.statsmodels import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "statsmodels")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager", same_dtype=False)


def test_the_likelihood_is_that_of_q_z(lib):
    """The reason why one parameter with the regressor 1 is the logit."""
    call = ADAPTER.calls[0]
    value, grad = ADAPTER.build(lib, call, "eager", "FB", False)(np.array([2.0]), np.array([0.0]))
    np.testing.assert_array_almost_equal_nulp(value, np.log1p(np.exp([2.0])), 2)
    np.testing.assert_array_almost_equal_nulp(grad, 1 / (1 + np.exp([-2.0])), 2)
