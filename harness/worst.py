"""Worst points are certified again before they are reported: by both oracles, whatever gave their exact value."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from lossbench.harness.cases import Batch
from lossbench.reference import Exact, evaluate, form_of
from lossbench.reference.oracle import same_results

_lock = threading.Lock()  # python-flint's working precision is one for the process


@lru_cache(maxsize=1 << 16)
def _certified(form: str, dtype: str, quantity: str, options: str, x: Any, y: Any) -> Exact:
    """A case by both oracles; x and y as nested tuples."""
    labels = None if y is None else np.array([y])
    return evaluate(form_of(form), np.array([x]), labels, dtype, quantity, options, check_every=1)


def _frozen(value: Any) -> Any:
    """An array as a hashable: its numbers, NaN as one object each."""
    return tuple(value.tolist()) if value.ndim else value.item()


def recertified(batch: Batch, case: int, component: int, quantity: str, options: str, used: Exact) -> str:
    """The certificate of one result of a case. `used` is what it was scored against.

    Raises ArithmeticError when both oracles together say something else.
    """
    labels = None if batch.labels is None else _frozen(batch.labels[case])
    key = batch.key
    with _lock:
        again = _certified(key.form, key.dtype, quantity, options, _frozen(batch.wide[case]), labels)
    place = (0,) if again.value.ndim == 1 else (0, component)
    if not same_results(used, again[place]):
        raise ArithmeticError(f"{key.name} {quantity} {options}, case {case}: {used} certified again is {again[place]}")
    return str(again.certificate(*place))
