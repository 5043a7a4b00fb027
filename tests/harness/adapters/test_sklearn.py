"""The sklearn adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.sklearn import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_import_is_lazy():
    array_contract.check_lazy(ADAPTER, "sklearn")


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager", same_dtype=False)


def call(name, form):
    return next(c for c in ADAPTER.calls if c.name == name and c.form == form)


def test_log_loss_does_not_normalise_but_warns(lib):
    """The reason why its calls claim the option "" and not "normalized"."""
    q, y = np.array([[0.25, 0.125, 0.125]]), np.array([0])
    value = ADAPTER.build(lib, call("metrics.log_loss", "prob_xent"), "eager", "F", False)
    with pytest.warns(UserWarning, match="do not sum to one"):
        np.testing.assert_array_almost_equal_nulp(value(q, y), -np.log([0.25]), 1)


def test_loss_and_loss_gradient_are_two_formulas(lib):
    z, y = np.array([50.0]), np.array([1.0])
    values = [
        ADAPTER.build(lib, call(f"_loss.HalfBinomialLoss.{method}", "sigmoid_bce"), "eager", "F", False)(z, y)
        for method in ("loss", "loss_gradient")
    ]
    assert values[0] == 0
    np.testing.assert_array_almost_equal_nulp(values[1], np.exp([-50.0]), 1)


@pytest.mark.parametrize("method", ["loss", "loss_gradient"])
def test_losses_refuse_float16(lib, method):
    one = call(f"_loss.HalfBinomialLoss.{method}", "sigmoid_bce")
    with pytest.raises(TypeError, match="ambiguous argument types"):
        ADAPTER.build(lib, one, "eager", "FB", False)(*np.ones((2, 3), dtype=np.float16))
    assert "float16" in one.lacks
