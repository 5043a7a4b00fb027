"""What a suite is: a generator of cases that names its regions and promises how well it covers them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference import Form
from lossbench.reference.form import SIMPLEX, UNIT
from lossbench.reference.formats import FORMATS, Format, to_nearest

Array = npt.NDArray[Any]
TIERS = ("quick", "default", "full")
#: Number of classes, or of outputs, in suites that do not vary it.
CLASSES = 4


@dataclass(frozen=True)
class Region:
    """A part of a suite's domain.

    text: one sentence for the reader. holds: predicate (x row, y or None, format) that every case satisfies.
    at_least: number of distinct inputs that the quick tier promises where the suite fits.
    """

    name: str
    text: str
    holds: Callable[[Array, Any, Format], bool]
    at_least: int = 4


@dataclass(frozen=True)
class Draw:
    """What a suite is asked for: a form, its label encoding, the format, the class count, and how much."""

    form: Form
    encoding: str
    dtype: str
    classes: int
    tier: str
    seed: int
    rng: np.random.Generator

    @property
    def fmt(self) -> Format:
        """The format of the inputs."""
        return FORMATS[self.dtype]

    @property
    def count(self) -> int:
        """Cases a region: few where the reference is slow (many classes)."""
        few = {"quick": 16, "default": 48, "full": 400}[self.tier]
        return few if self.classes <= 10 else max(4, few * 10 // self.classes)

    @property
    def columns(self) -> int:
        """Numbers in one case: K with a class axis, else 1."""
        return self.classes if self.form.class_axis else 1


@dataclass
class Cases:
    """Drawn cases: x float64 (N,) or (N, K) of numbers of the format, labels y or None, one region a case."""

    x: Array
    y: Array | None
    regions: list[str]


@dataclass(frozen=True)
class Suite:
    """A suite. `roles` are the argument roles that it fits; a new form with such a role gets it free.

    points: yields (region, x array of shape (n, columns)) or (region, x, y) when the suite chooses labels.
    classes: class counts by tier; for forms without a class axis it is not asked.
    """

    name: str
    doc: str
    roles: tuple[str, ...]
    regions: tuple[Region, ...]
    points: Callable[[Draw], Iterator[tuple[Any, ...]]]
    classes: dict[str, tuple[int, ...]] = field(default_factory=lambda: dict.fromkeys(TIERS, (CLASSES,)))
    needs_class_axis: bool = False
    needs_labels: bool = False

    def fits(self, form: Form, encoding: str) -> bool:
        """Whether the suite draws cases of a form with labels so encoded."""
        if self.needs_class_axis and not form.class_axis:
            return False
        if self.needs_labels and encoding == "-":
            return False
        return form.role in self.roles

    def class_counts(self, form: Form, tier: str) -> tuple[int, ...]:
        """Class counts to draw for a form; (1,) without a class axis."""
        return self.classes[tier] if form.class_axis else (1,)

    def draw(self, form: Form, encoding: str, dtype: str, classes: int, tier: str, seed: int) -> Cases:
        """Draw the cases. The inputs depend on suite, role, dtype, classes, tier and seed, not on the form:
        forms that are equal on paper are asked at the same points."""
        key = zlib.crc32(f"{self.name}/{form.role}/{form.class_axis}/{dtype}/{classes}/{tier}".encode())
        rng = np.random.Generator(np.random.Philox(key=[seed, key]))
        draw = Draw(form, encoding, dtype, classes, tier, seed, rng)
        xs, ys, names = [], [], []
        for region, x, *given in self.points(draw):
            wide = to_nearest(np.asarray(x, np.float64).reshape(-1, draw.columns), dtype)
            if form.role in (UNIT, SIMPLEX):
                wide = np.clip(wide, 0.0, 1.0)
            y = given[0] if given else labels(draw, wide)
            xs.append(wide if form.class_axis else wide[:, 0])
            if y is not None:
                ys.append(np.asarray(y))
            names += [region] * len(wide)
        return Cases(np.concatenate(xs), np.concatenate(ys) if ys else None, names)


def labels(draw: Draw, x: Array, right: bool | None = None) -> Array | None:
    """Labels for the rows of x in the asked encoding: every label value in turn.

    right: True labels each case with the class that its logit favours, False with another one; None cycles.
    """
    n, k = x.shape
    turn = np.arange(n)
    if draw.encoding == "-":
        return None
    if draw.encoding in ("index", "onehot") or (draw.encoding == "soft" and draw.form.name.endswith("xent")):
        lead = np.argmax(np.where(np.isnan(x), -np.inf, x), axis=1)
        index = turn % k if right is None else (lead if right else (lead + 1 + turn % max(1, k - 1)) % k)
        if draw.encoding == "index":
            whole: Array = index.astype(np.int64)
            return whole
        onehot: Array = np.eye(k)[index]
        if draw.encoding == "onehot" or right is not None:
            return onehot
        soft = to_nearest(draw.rng.dirichlet(np.ones(k), n), draw.dtype)
        mixed: Array = np.where((turn % 4 == 0)[:, None], onehot, soft)  # a one-hot row is a distribution too
        return mixed
    favoured = (x > 0) if draw.form.wrt == "z" else (x > 0.5)
    ones = (np.add.outer(turn, np.arange(k)) % 2 == 0) if right is None else (favoured == right)
    binary: Array = ones.astype(np.float64)
    y: Array
    if draw.encoding == "signed":
        y = 2 * binary - 1
    elif draw.encoding == "soft" and right is None:
        soft = to_nearest(draw.rng.uniform(0, 1, x.shape), draw.dtype)
        y = np.where((turn % 4 == 0)[:, None], binary, soft)
    else:
        y = binary
    return y if draw.form.class_axis else y[:, 0]


def spread(draw: Draw, low: float, high: float, count: int) -> Array:
    """`count` magnitudes, log-uniform in [low, high], both ends among them."""
    inner = np.exp(draw.rng.uniform(np.log(low), np.log(high), max(0, count - 2)))
    return np.concatenate([[low], inner, [high]])[:count]
