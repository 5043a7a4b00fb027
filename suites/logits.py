"""Suites of logits: extreme, saturated, confident and right, shifted, many classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lossbench.reference.form import LOGIT, SIMPLEX, UNIT
from lossbench.reference.formats import Format
from lossbench.suites.points import around, hard, rows
from lossbench.suites.suite import CLASSES, Draw, Region, Suite, labels, spread

LN2 = 0.6931471805599453


def _largest(x: Any) -> float:
    return float(np.max(np.abs(x)))


def _extreme(draw: Draw) -> Iterator[tuple[Any, ...]]:
    fmt, n = draw.fmt, draw.count
    signs = draw.rng.choice([-1.0, 1.0], n)
    yield "large", rows(draw, np.concatenate([hard(draw, 15.0, 1e4), signs * spread(draw, 15.0, 9984.0, n)]))
    huge = spread(draw, 1e4, fmt.maxfinite, n) * signs
    ends = [fmt.maxfinite, -fmt.maxfinite]
    yield "huge", rows(draw, np.concatenate([hard(draw, 1e4, fmt.maxfinite), huge, ends]))
    if draw.form.class_axis:
        every = draw.rng.choice([-1.0, 1.0], (n, draw.columns))
        yield "huge", every * np.exp(draw.rng.uniform(np.log(1e4), np.log(fmt.maxfinite), (n, draw.columns)))


EXTREME_LOGITS = Suite(
    "extreme_logits",
    """Logits far outside the range that training visits, up to the largest finite number, both signs.

    Promises the hard points of points.txt from 15 up and log-uniform magnitudes between them.""",
    (LOGIT,),
    (
        Region("large", "largest |z| in [15, 1e4)", lambda x, y, f: 14.9 <= _largest(x) < 1e4, 16),
        Region("huge", "largest |z| from 1e4 to the largest finite number", lambda x, y, f: _largest(x) >= 9.9e3, 16),
    ),
    _extreme,
)


def _one(fmt: Format) -> float:
    """Logit at which the sigmoid rounds to 1: exp(-z) = half an ulp below 1."""
    return fmt.precision * LN2


def _zero(fmt: Format) -> tuple[float, float]:
    """Logits at which exp(z) becomes subnormal, and vanishes."""
    return fmt.emin * LN2, (fmt.emin - fmt.precision) * LN2


def _near(x: Any, centre: float) -> bool:
    return bool(np.min(np.abs(np.abs(x) - abs(centre))) <= 0.05 * abs(centre))


def _saturated(draw: Draw) -> Iterator[tuple[Any, ...]]:
    fmt = draw.fmt
    reach = {"quick": 3, "default": 5, "full": 10}[draw.tier]
    reach = min(reach, fmt.precision - 5)
    if draw.form.role == LOGIT:
        subnormal, gone = _zero(fmt)
        one = around(draw, _one(fmt), reach)
        yield "one", rows(draw, np.concatenate([one, -one]))
        low = np.concatenate([around(draw, subnormal, reach), around(draw, gone, reach)])
        yield "zero", rows(draw, np.concatenate([low, -low]))
        return
    ones, zeros = around(draw, 1.0, reach + 2), around(draw, fmt.tiny, reach)
    ones, zeros = ones[ones <= 1.0], np.concatenate([zeros, [fmt.subnormal, 2 * fmt.subnormal]])
    if draw.form.role == UNIT:
        yield "one", ones
        yield "zero", zeros
        return
    for name, lead in (("one", ones), ("zero", zeros)):
        rest = draw.rng.dirichlet(np.ones(draw.columns - 1), len(lead)) * (1 - lead)[:, None]
        yield name, np.concatenate([lead[:, None], rest], axis=1)


SATURATED_SIGMOIDS = Suite(
    "saturated_sigmoids",
    """Where a sigmoid or a probability reaches 1 or 0 in the format, and the numbers 1, 2, 4, ... ulps beside.

    Promises both sides of each saturation point: of the format's 1, of its smallest normal number and of
    the end of its subnormals, for logits of both signs.""",
    (LOGIT, UNIT, SIMPLEX),
    (
        Region(
            "one",
            "g(z) within a few ulps of 1, or a probability there",
            lambda x, y, f: _near(x, _one(f)) or bool(np.max(x) >= 0.99 * (1 - 2.0 ** -(f.precision - 9))),
            6,
        ),
        Region(
            "zero",
            "exp(z) or a probability at the edge of the subnormal range, or of the format",
            lambda x, y, f: any(_near(x, c) for c in _zero(f)) or bool(np.min(x) <= 2 * f.tiny),
            6,
        ),
    ),
    _saturated,
)


def _confident(draw: Draw) -> Iterator[tuple[Any, ...]]:
    fmt, n = draw.fmt, draw.count
    if draw.form.role == LOGIT:
        subnormal, gone = _zero(fmt)
        for name, low, high in (("normal", 1.0, -subnormal * 0.99), ("subnormal", -subnormal * 1.01, -gone)):
            gap = spread(draw, low, high, n)
            if draw.form.class_axis and not draw.form.name.startswith(("multilabel", "bernoulli")):
                x = np.zeros((n, draw.columns)) if draw.columns > 1 else gap[:, None]
                x[np.arange(n), np.arange(n) % draw.columns] = gap
            elif draw.form.class_axis:
                x = gap[:, None] * draw.rng.choice([-1.0, 1.0], (n, draw.columns))
            else:
                x = (gap * np.where(np.arange(n) % 2, -1.0, 1.0))[:, None]
            yield name, x, labels(draw, x, right=True)
        return
    tail = spread(draw, 2.0 ** -(fmt.precision - 1), 0.25, n)
    if draw.form.role == UNIT:
        x = np.where(np.arange(n) % 2, tail, 1 - tail)[:, None]
    else:
        rest = draw.rng.dirichlet(np.ones(draw.columns - 1), n) * tail[:, None]
        x = np.concatenate([(1 - tail)[:, None], rest], axis=1)
        x = np.stack([np.roll(row, i % draw.columns) for i, row in enumerate(x)])
    yield "normal", x, labels(draw, x, right=True)


CONFIDENT = Suite(
    "confident",
    """Confident and right: tiny losses, where the tail is everything and where most training time is spent.

    Promises margins log-uniform from 1 to where the loss leaves the format, with right labels.""",
    (LOGIT, UNIT, SIMPLEX),
    (
        Region("normal", "the loss is a normal number", lambda x, y, f: True, 10),
        Region(
            "subnormal",
            "the loss is a subnormal number",
            lambda x, y, f: _largest(x) >= -f.emin * LN2 * 0.99,
            6,
        ),
    ),
    _confident,
)


def _shifts(fmt: Format) -> list[float]:
    offsets = [1.0, 1e2, 1e4, 1e6, 1e8, 2.0**10, 2.0**20, 2.0**40, fmt.maxfinite / 4]
    return [s * c for c in offsets if c <= fmt.maxfinite / 2 for s in (-1.0, 1.0)]


def _shifted(draw: Draw) -> Iterator[tuple[Any, ...]]:
    base = draw.rng.normal(0.0, 3.0, (max(2, draw.count // 16), draw.columns))
    offsets = np.array(_shifts(draw.fmt))
    yield "shifted", (base[None] + offsets[:, None, None]).reshape(-1, draw.columns)
    equal = np.repeat(offsets[:, None], draw.columns, axis=1)
    yield "equal", equal
    ties = base.copy()
    ties[:, 0] = ties[:, -1] = ties.max(axis=1)
    yield "ties", np.concatenate([ties, ties + 1e4])


SHIFTED = Suite(
    "shifted",
    """Rows of logits with 1, 1e2, ..., 1e8, +-2^k and a quarter of the largest number added to every class.

    Promises each offset with both signs, rows of equal logits at each offset, and duplicated maxima.""",
    (LOGIT,),
    (
        Region("shifted", "ordinary logits plus one common offset", lambda x, y, f: True, 16),
        Region("equal", "all logits of the row equal", lambda x, y, f: bool(np.ptp(x) == 0), 8),
        Region("ties", "the largest logit occurs twice", lambda x, y, f: np.sum(x == np.max(x)) >= 2, 2),
    ),
    _shifted,
    needs_class_axis=True,
)


def _many(draw: Draw) -> Iterator[tuple[Any, ...]]:
    shape = (draw.count, draw.columns)
    if draw.form.role == SIMPLEX:
        yield "ordinary", draw.rng.dirichlet(np.ones(draw.columns), draw.count) if draw.columns > 1 else np.ones(shape)
        return
    scale = draw.rng.choice([0.1, 1.0, 5.0, 30.0], (draw.count, 1))
    yield "ordinary", draw.rng.normal(0.0, 1.0, shape) * scale


MANY_CLASSES = Suite(
    "many_classes",
    """Rows of 1, 2, 10, 1000 and, in the full tier, 50 000 classes: normal logits of scale 0.1, 1, 5 and 30.

    Promises every class count of the tier.""",
    (LOGIT, SIMPLEX),
    (Region("ordinary", "normal logits, or a uniform draw from the simplex", lambda x, y, f: True, 1),),
    _many,
    classes={"quick": (10,), "default": (1, 2, 10, 1000), "full": (1, 2, 3, 10, 1000, 50_000)},
    needs_class_axis=True,
)

assert CLASSES not in MANY_CLASSES.classes["full"]  # its rows must not mix with those of the other suites
