"""The numpy adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.numpy import ADAPTER
from tests.harness.adapters import array_contract


@pytest.fixture(scope="module")
def lib():
    return array_contract.load(ADAPTER)


def test_table():
    array_contract.check_table(ADAPTER)


def test_bits(lib):
    array_contract.check_bits(ADAPTER, lib)


@pytest.mark.parametrize("case", array_contract.cases(ADAPTER), ids=str)
def test_call(lib, case):
    array_contract.check_call(ADAPTER, lib, case, "eager")


def test_careful_gradient_keeps_the_tail(lib):
    """Where softmax - 1 and sigmoid - 1 are zero the answer is exp(-40); the naive code shows the loss."""
    one = {(c.form, c.name): c.gradient for c in ADAPTER.calls if not c.options}
    want = -np.exp(-40.0) / (1 + np.exp(-40.0))
    logits, target = np.array([[40.0, 0.0]]), np.array([0])
    assert one["softmax_xent", "textbook"](lib, logits, target)[0, 0] == 0
    careful = one["softmax_xent", "stable"](lib, logits, target)
    np.testing.assert_array_almost_equal_nulp(careful[0, :1], np.array([want]), 2)
    assert one["sigmoid_bce", "textbook"](lib, np.array([40.0]), np.array([1.0])) == 0
    np.testing.assert_array_almost_equal_nulp(
        one["sigmoid_bce", "stable"](lib, np.array([40.0]), np.array([1.0])), np.array([want]), 2
    )


def test_overflow_does_not_warn(lib):
    """Under pytest's warnings as errors this would raise."""
    for call in ADAPTER.calls:
        if call.form == "softplus":
            ADAPTER.build(lib, call, "eager", "FB", False)(np.array([1e4], dtype=np.float32))
