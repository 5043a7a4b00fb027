"""Suites of label conventions, non-finite input, and uniformly random bit patterns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lossbench.reference.form import LOGIT, SIMPLEX, UNIT
from lossbench.reference.formats import decode, to_nearest
from lossbench.suites.points import rows
from lossbench.suites.suite import Draw, Region, Suite, labels


def _conventions(draw: Draw) -> Iterator[tuple[Any, ...]]:
    n, k = draw.count, draw.columns
    if draw.form.role == LOGIT:
        x = draw.rng.normal(0.0, 3.0, (n, k))
    elif draw.form.role == UNIT:
        x = draw.rng.uniform(0.02, 0.98, (n, k))
    else:
        x = draw.rng.dirichlet(np.full(k, 2.0), n)
    x = to_nearest(x, draw.dtype)
    hard = labels(draw, x, right=True), labels(draw, x, right=False)
    yield "hard", np.concatenate([x, x]), np.concatenate([np.asarray(y) for y in hard])
    if draw.encoding == "soft":
        yield "soft", x
        edge = draw.fmt.tiny if draw.dtype == "float16" else 2.0**-60
        tiny = np.where(np.arange(n) % 2, edge, 0.5)[:, None] * np.ones(x.shape)
        y = tiny if draw.form.class_axis else tiny[:, 0]
        if draw.form.name.endswith("xent"):
            y = np.zeros(x.shape)
            y[np.arange(n), np.arange(n) % k] = 0.5
            y[np.arange(n), (np.arange(n) + 1) % k] = 0.5
        yield "soft", x, y


LABEL_CONVENTIONS = Suite(
    "label_conventions",
    """Ordinary inputs with every label that an encoding can write: each class, 0 and 1, -1 and +1, soft.

    The same inputs for every form and encoding, so that forms that are equal on paper (index, one-hot and
    soft; {0,1} and {-1,+1}; two classes and a sigmoid) are asked the same questions.
    Promises each input with its right and with a wrong label; for soft labels also 1/2 and one near 0.""",
    (LOGIT, UNIT, SIMPLEX),
    (
        Region("hard", "labels of certainty, whatever their encoding", lambda x, y, f: True, 12),
        Region("soft", "labels strictly between", lambda x, y, f: True, 12),
    ),
    _conventions,
    needs_labels=True,
)


def _non_finite(draw: Draw) -> Iterator[tuple[Any, ...]]:
    k = draw.columns
    if draw.form.role == LOGIT:
        scalars = np.repeat([np.inf, -np.inf], 2 * max(2, k))
        yield "infinite", rows(draw, scalars)
        yield "nan", rows(draw, np.full(2 * k, np.nan))
        yield "zero", rows(draw, np.repeat([0.0, -0.0, draw.fmt.subnormal, -draw.fmt.subnormal], 2))
        if k > 1:
            masked = draw.rng.normal(0.0, 2.0, (2 * k, k))
            masked[:, 0] = -np.inf
            masked[k:, -1] = -np.inf
            yield "masked", masked
            yield "undefined", np.array([[np.inf] * k, [-np.inf] * k, [np.inf, np.inf, *[0.0] * (k - 2)]])
    elif draw.form.role == UNIT:
        yield "zero", np.repeat([0.0, -0.0, 1.0], 2)
        yield "nan", np.full(2, np.nan)
    else:
        certain = np.repeat(np.eye(k), 2, axis=0)
        yield "zero", certain
        half = np.zeros((k, k))
        half[np.arange(k), np.arange(k)] = half[np.arange(k), (np.arange(k) + 1) % k] = 0.5
        yield "zero", half
        spoilt = draw.rng.dirichlet(np.ones(k), k)
        spoilt[np.arange(k), np.arange(k)] = np.nan
        yield "nan", spoilt


NON_FINITE = Suite(
    "non_finite",
    """Infinities, NaN, zeros of both signs, -inf-masked classes and rows without a limit.

    Promises each special value with each label; results are held to the contract of special values.""",
    (LOGIT, UNIT, SIMPLEX),
    (
        Region("infinite", "one logit is +inf or -inf", lambda x, y, f: bool(np.isinf(x).sum() == 1), 2),
        Region("nan", "one input is NaN", lambda x, y, f: bool(np.isnan(x).sum() == 1), 1),
        Region("zero", "zeros of both signs, certain probabilities", lambda x, y, f: bool(np.isfinite(x).all()), 2),
        Region("masked", "some classes are -inf, one is not", lambda x, y, f: bool((x == -np.inf).any()), 4),
        Region("undefined", "two +inf, or no class left", lambda x, y, f: bool(np.isinf(x).sum() >= 2), 3),
    ),
    _non_finite,
)


def _random_bits(draw: Draw) -> Iterator[tuple[Any, ...]]:
    fmt = draw.fmt
    unsigned: Any = {16: np.uint16, 32: np.uint32, 64: np.uint64}[fmt.bits]
    shape = (3 * draw.count, draw.columns)
    bits = draw.rng.integers(0, np.iinfo(unsigned).max, shape, dtype=unsigned, endpoint=True)
    if draw.form.role != LOGIT:
        one = (-fmt.emin + 1) << (fmt.precision - 1)  # the bits of 1.0
        bits = (bits % np.uint64(one + 1)).astype(unsigned)
    yield "all", decode(bits.view(fmt.storage), draw.dtype)


RANDOM_BITS = Suite(
    "random_bits",
    """Uniformly random bit patterns of the format: all exponents alike, subnormals, infinities and NaN with them.

    For probabilities the patterns from +0 to 1. Promises at least half of the exponents' octaves of
    octaves: magnitudes far above and far below 1.""",
    (LOGIT, UNIT, SIMPLEX),
    (Region("all", "any bit pattern", lambda x, y, f: True, 24),),
    _random_bits,
)
