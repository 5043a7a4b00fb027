"""The Keras adapter: its table, its arrays, and every call at ordinary points in every mode."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lossbench.harness.adapters.keras import ADAPTER
from tests.harness.adapters import array_contract

# Before the import, as a worker process has it.
os.environ.update(ADAPTER.environ)


def in_floatx(call):
    """Whether a Keras class computes it, and casts its arguments to floatx()."""
    return call.name.startswith(("losses.B", "losses.C", "losses.S"))


#: float32 in every mode, the other dtypes in the one that compiles nothing.
#: The classes at float64 have a test of their own.
CELLS = [
    (case, mode)
    for case in array_contract.cases(ADAPTER)
    for mode in ADAPTER.modes
    if mode == "eager" or case.dtype == "float32"
    if not (in_floatx(case.call) and case.dtype == "float64")
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
    array_contract.check_call(ADAPTER, lib, case, mode, same_dtype=not in_floatx(case.call))


def test_the_backend_is_tensorflow(lib):
    assert lib.backend.backend() == "tensorflow"


@pytest.mark.parametrize(
    "call", [call for call in ADAPTER.calls if in_floatx(call)], ids=lambda call: f"{call.form}-{call.name}"
)
def test_classes_compute_in_float32(lib, call):
    x, y = array_contract.inputs(call, call.encodings[0])
    tensors = [array_contract.put(ADAPTER, lib, array, "float64") for array in (x, y)]
    value, gradient = ADAPTER.build(lib, call, "eager", "FB", False)(*tensors)
    value, dtype = ADAPTER.get(lib, value)
    assert dtype == lib.config.floatx() == "float32"
    array_contract.close(value, array_contract.textbook(call, x, y), "float32")
    array_contract.close(ADAPTER.get(lib, gradient)[0], array_contract.gradient(call, x, y), "float32")


@pytest.mark.parametrize("mode", ADAPTER.modes)
def test_the_loss_finds_the_logits_behind_an_activation(lib, mode):
    # From the probability alone this is at least epsilon = 1e-7; from the logit it is exp(-30).
    name = "activations.sigmoid+losses.binary_crossentropy"
    call = next(call for call in ADAPTER.calls if call.name == name)
    z, y = (array_contract.put(ADAPTER, lib, np.array([number]), "float32") for number in (30.0, 1.0))
    value, _ = ADAPTER.get(lib, ADAPTER.build(lib, call, mode, "F", False)(z, y))
    array_contract.close(value / np.exp(-30.0), np.ones(1), "float32")
