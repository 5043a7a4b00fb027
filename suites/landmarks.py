"""Single points, each a region of its own, that are asked of every implementation and printed side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lossbench.reference.form import LOGIT, SIMPLEX, UNIT
from lossbench.reference.formats import to_nearest
from lossbench.suites.suite import Draw, Region, Suite

#: Logit, and the label (as {0,1}) that makes it interesting. The mirror image is asked as well.
_LOGITS = ((0.0, 1), (20.1, 0), (40.0, 1), (100.0, 0), (100.0, 1), (1000.0, 0))
#: Probability of class 1 or of the target.
_PROBABILITIES = (0.5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-30)


def _label(draw: Draw, one: int) -> float:
    return float(2 * one - 1) if draw.encoding == "signed" else float(one)


def _target(draw: Draw, rows: int) -> Any:
    if draw.encoding == "-":
        return None
    if draw.encoding == "index":
        return np.zeros(rows, np.int64)
    return np.eye(draw.columns)[np.zeros(rows, int)]


def _scalar_logits(draw: Draw) -> Iterator[tuple[Any, ...]]:
    points = [(s * z, one if s > 0 else 1 - one) for z, one in _LOGITS for s in (1.0, -1.0)]
    seen = set()
    for z, one in points:
        name = f"z={z:g}" if draw.encoding == "-" else f"z={z:g} y={_label(draw, one):g}"
        if name not in seen and name != "z=-0":
            seen.add(name)
            yield name, [z], None if draw.encoding == "-" else [_label(draw, one)]


def _rows_of_logits(draw: Draw) -> Iterator[tuple[Any, ...]]:
    k = draw.columns
    points = {
        f"z=[1e4]*{k} t=0": np.full(k, 1e4),
        f"z=[1e8]*{k} t=0": np.full(k, 1e8),
        "z=[40,0,..] t=0": np.eye(k)[0] * 40.0,
        "z=[-40,0,..] t=0": np.eye(k)[0] * -40.0,
        "z=[100,0,..] t=0": np.eye(k)[0] * 100.0,
        "z=[1000,0,..] t=0": np.eye(k)[0] * 1000.0,
        "z=[-1000,0,..] t=0": np.eye(k)[0] * -1000.0,
    }
    for name, row in points.items():
        if np.max(np.abs(row)) <= draw.fmt.maxfinite:
            elementwise = draw.form.name.startswith(("multilabel", "bernoulli"))
            y = np.zeros((1, k)) + np.eye(k)[0] if elementwise else _target(draw, 1)
            yield (name if draw.encoding != "-" else name.removesuffix(" t=0")), row, y


def _probabilities(draw: Draw) -> Iterator[tuple[Any, ...]]:
    for p in _PROBABILITIES:
        if to_nearest(p, draw.dtype) == 0:
            continue
        if draw.form.role == UNIT:
            yield f"p={p:g} y=1", [p], [1.0]
        else:
            row = np.zeros(draw.columns)
            row[:2] = p, 1 - p
            yield f"q=[{p:g},..] t=0", row, _target(draw, 1)


def _landmarks(draw: Draw) -> Iterator[tuple[Any, ...]]:
    if draw.form.role != LOGIT:
        yield from _probabilities(draw)
    elif draw.form.class_axis:
        yield from _rows_of_logits(draw)
    else:
        yield from _scalar_logits(draw)


LANDMARKS = Suite(
    "landmarks",
    """A dozen points that tell most implementations apart, every one a region that bears the point as its name.

    Promises one case a region, the same for every implementation, so that reports can show answers side by
    side: equal logits far from 0, margins of 20.1, 40, 100 and 1000 on both sides, probabilities near 0.""",
    (LOGIT, UNIT, SIMPLEX),
    (Region("*", "the point that the region is named after", lambda x, y, f: True, 1),),
    _landmarks,
)
