"""What is timed: shapes by tier, and the inputs of a timing cell."""

from __future__ import annotations

import zlib

import numpy as np

from lossbench.reference import Form
from lossbench.reference.form import SIMPLEX, UNIT
from lossbench.reference.formats import decode, encode, to_nearest
from lossbench.suites.suite import Array

#: Shapes of a form without a class axis: small (what a call costs), inside a core's cache, inside the last level.
SCALAR_SHAPES: tuple[tuple[int, ...], ...] = ((1_000,), (100_000,), (1_000_000,))
CLASS_SHAPES: tuple[tuple[int, ...], ...] = ((8, 10), (32, 100), (256, 1_000), (1_024, 1_000))
#: Shapes that do not fit into the cache.
SCALAR_LARGE: tuple[tuple[int, ...], ...] = ((30_000_000,),)
CLASS_LARGE: tuple[tuple[int, ...], ...] = ((1_024, 32_000), (256, 128_256))
#: Those of the smaller tiers: the first of two is for quick and for what is timed at one shape.
SCALAR_FEW: tuple[tuple[int, ...], ...] = ((100_000,), (1_000,))
CLASS_FEW: tuple[tuple[int, ...], ...] = ((256, 1_000), (32, 100))


def shapes(form: Form, tier: str, one: bool) -> list[tuple[int, ...]]:
    """Shapes to time a form at, beside those of its goals; `one` asks for one only."""
    if tier == "full":
        return [*CLASS_SHAPES, *CLASS_LARGE] if form.class_axis else [*SCALAR_SHAPES, *SCALAR_LARGE]
    few = CLASS_FEW if form.class_axis else SCALAR_FEW
    return list(few[:1] if one or tier == "quick" else few)


def inputs(form: Form, encoding: str, dtype: str, shape: tuple[int, ...], seed: int) -> tuple[Array, Array | None]:
    """Inputs of a timing cell in storage bits: logits normal with scale 5, probabilities uniform or from a
    uniform simplex, labels uniform."""
    key = zlib.crc32(f"throughput/{form.role}/{encoding}/{dtype}/{shape}".encode())
    rng = np.random.Generator(np.random.Philox(key=[seed, key]))
    if form.role == UNIT:
        x = rng.uniform(0.01, 0.99, shape)
    elif form.role == SIMPLEX:
        x = rng.standard_exponential(shape)
        x /= x.sum(axis=-1, keepdims=True)
    else:
        x = 5.0 * rng.standard_normal(shape)
    bits = encode(rounded(x, dtype), dtype)
    if encoding == "-":
        return bits, None
    if encoding == "index":
        return bits, rng.integers(0, shape[-1], shape[0])
    if encoding == "onehot":
        onehot = np.zeros(shape)
        onehot[np.arange(shape[0]), rng.integers(0, shape[-1], shape[0])] = 1
        return bits, encode(onehot, dtype)
    if encoding == "soft" and form.name.endswith("xent"):
        y = rng.standard_exponential(shape)
        return bits, encode(rounded(y / y.sum(axis=-1, keepdims=True), dtype), dtype)
    y = rng.uniform(0, 1, shape) if encoding == "soft" else rng.integers(0, 2, shape).astype(float)
    return bits, encode(rounded(2 * y - 1 if encoding == "signed" else y, dtype), dtype)


def rounded(values: Array, dtype: str) -> Array:
    """Numbers of a format nearest to float64 values, as `to_nearest`; NumPy's conversions are as exact, and fast."""
    return values.astype(dtype) if dtype in ("float16", "float32") else to_nearest(values, dtype)


def sample(shape: tuple[int, ...]) -> Array:
    """Indices of the cases whose results are held against the reference before and after timing."""
    few = 16 if len(shape) == 1 else 8 if shape[-1] <= 100 else 2 if shape[-1] <= 50_000 else 1
    return np.unique(np.linspace(0, shape[0] - 1, few).astype(int))


def values(bits: Array, encoding: str, dtype: str) -> Array:
    """Numbers of a label or input array in storage bits."""
    return bits if encoding == "index" else decode(bits, dtype)
