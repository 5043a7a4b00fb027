"""Both oracles at the contract's special values and at hard points: they decide, and say the same."""

from __future__ import annotations

import numpy as np

from lossbench.reference.formats import to_nearest
from tests.reference import hard
from tests.reference.copies import Copy


def check_contract(copy: Copy) -> str | None:
    """The table of special values in float32, with float64 where it is about derivatives."""
    for rule in copy.reference.contract.CONTRACT:
        form = copy.reference.form_of(rule.form)
        quantity = rule.quantity if rule.quantity == "value" else f"{rule.quantity}:{form.wrt}"
        dtype = "float32" if rule.quantity == "value" else "float64"
        got = copy.reference.exact(form, rule.x, rule.y, dtype=dtype, quantity=quantity, options=rule.options)
        if not np.array_equal(got.value, to_nearest(rule.want, dtype), equal_nan=True):
            return f"{rule}: got {got.value}"
    return None


def check_oracles(copy: Copy) -> str | None:
    """Every batch of hard points; the referee raises where one oracle is undecided or alone."""
    for batch in hard.batches():
        try:
            batch.ask(copy)
        except (ArithmeticError, ValueError) as error:
            return f"{batch.form} {batch.quantity} {batch.dtype} {batch.options}: {error}"
    return None
