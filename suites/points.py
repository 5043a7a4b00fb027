"""The list of hard points, from its commented hex text."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from lossbench.reference.formats import FORMATS, neighbours, to_nearest
from lossbench.suites.suite import Array, Draw


@cache
def hard_points() -> tuple[float, ...]:
    """Non-negative magnitudes of points.txt, in the order of the file."""
    text = resources.files("lossbench.suites").joinpath("points.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(float.fromhex(line.split(maxsplit=1)[0]) for line in lines)


def hard(draw: Draw, low: float, high: float) -> Array:
    """Hard points with magnitude in [low, high), both signs, rounded to the format, without duplicates."""
    fmt = FORMATS[draw.dtype]
    inside = [p for p in hard_points() if low <= p < high and p <= fmt.maxfinite]
    return np.unique(to_nearest([s * p for p in inside for s in (-1.0, 1.0)], draw.dtype))


def around(draw: Draw, centre: float, reach: int) -> Array:
    """The format's numbers at distances 0, +-1, +-2, +-4, ... up to +-2^reach ulps from `centre`."""
    middle = float(to_nearest(centre, draw.dtype))
    steps = [0] + [s << k for k in range(reach + 1) for s in (-1, 1)]
    return np.array([neighbours(middle, draw.dtype, step) for step in steps])


def rows(draw: Draw, scalars: Array) -> Array:
    """Rows of the draw's width that hold `scalars`: alone without a class axis, else the scalar in a
    random column among ordinary numbers."""
    if draw.columns == 1:
        return scalars.reshape(-1, 1)
    result = draw.rng.normal(0.0, 1.0, (len(scalars), draw.columns))
    result[np.arange(len(scalars)), draw.rng.integers(0, draw.columns, len(scalars))] = scalars
    return result
