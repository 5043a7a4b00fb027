"""The native adapter: its table, its arrays, and every call at ordinary points."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness.adapters.native import ADAPTER
from lossbench.harness.plan import call_of
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


@pytest.mark.parametrize("work", ["F", "FB"])
@pytest.mark.parametrize("options", ["", "over=mean"])
def test_the_prepared_call_gives_the_same_into_the_same_buffers(lib, work, options):
    rng = np.random.default_rng(0)
    z, y = rng.normal(0, 5, (16, 3)).astype(np.float32), rng.integers(0, 2, (16, 3)).astype(np.float32)
    call = call_of(ADAPTER, "multilabel_bce", "multilabel_bce", "binary", options)
    prepared = ADAPTER.prepared(lib, call, work, [z, y])
    for mode in (*ADAPTER.modes, lib.implementation()[0]):
        for again in range(2):
            z += again  # read anew at each use
            want = ADAPTER.build(lib, call, mode, work, False)(z, y)
            got = prepared()
            assert all(map(np.array_equal, got, want)) if work == "FB" else np.array_equal(got, want)
    first, second = prepared(), prepared()
    assert all(a is b for a, b in zip(first, second, strict=True)) if work == "FB" else first is second
