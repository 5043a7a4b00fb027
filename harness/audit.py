"""The audit of the reference: both oracles at random points, at hard points, and at every 16-bit input there is.

A point is one quantity of one form at one case in one format. It counts when the second oracle decides it and the
first gives the same; a point that is undecided or on which they disagree is a failure that is printed.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lossbench.reference import FORMS, Form, evaluate, form_of
from lossbench.reference.certificate import KINDS, ORACLES
from lossbench.reference.formats import FORMATS, MEASURED, decode, format_of, to_nearest
from lossbench.reference.oracle import same_results
from lossbench.suites.catalog import SUITES
from lossbench.suites.suite import Draw, labels

Array = npt.NDArray[Any]
RANDOM, HARD, EXHAUSTIVE = "random", "hard", "exhaustive"
CLASSES = 4
#: Options of each form at which the oracles are compared, beside those that runs measure.
OPTIONS: dict[str, tuple[str, ...]] = {
    "softmax_xent": (
        "weight=0.5;0.0;3.0;0.1",
        "label_smoothing=0.1",
        "label_smoothing=0.3,smoothing=K-1,weight=1.0;2.5;0.7;0.3",
    ),
    "prob_xent": ("weight=0.5;0.0;3.0;0.1", "label_smoothing=0.1,normalized"),
    "sigmoid_bce": ("pos_weight=2.7", "label_smoothing=0.1,pos_weight=0.3"),
    "prob_bce": ("pos_weight=2.7", "label_smoothing=0.1"),
    "sigmoid_mse": ("label_smoothing=0.1",),
    "multilabel_bce": ("pos_weight=0.5;1.0;3.0;0.1,weight=1.0;2.0;0.3;4.0", "label_smoothing=0.1,over=mean"),
}
#: Reductions that are compared, with their denominators.
REDUCED = (("sum", "N"), ("mean", "N"), ("mean", "sum_w"))


@dataclass(frozen=True)
class Task:
    """Points of one kind: a suite's, or `count` random ones; reduction "none" gives a point a case."""

    kind: str
    form: str
    encoding: str
    options: str
    dtype: str
    quantity: str
    count: int = 0
    suite: str = ""
    reduction: str = "none"
    denominator: str = "N"
    first: int = 0

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers of this task alone."""
        return np.random.Generator(np.random.Philox(key=zlib.crc32(repr(self).encode())))


@dataclass
class Findings:
    """Counts of points by kind, certificates, and failures in words."""

    points: Counter[str] = field(default_factory=Counter)
    certificates: Counter[str] = field(default_factory=Counter)
    oracles: Counter[str] = field(default_factory=Counter)
    precision: int = 0
    failures: list[str] = field(default_factory=list)

    def merge(self, other: Findings) -> None:
        """Add the findings of another task."""
        self.points += other.points
        self.certificates += other.certificates
        self.oracles += other.oracles
        self.precision = max(self.precision, other.precision)
        self.failures += other.failures


class Progress(Protocol):
    """How an audit tells where it is."""

    def advance(self, steps: int = 1) -> None:
        """Tasks are finished."""


def _variants(form: Form) -> tuple[str, ...]:
    return form.variants + OPTIONS.get(form.name, ())


def _univariate(form: Form) -> bool:
    return not form.class_axis


def _columns() -> Iterator[tuple[Form, str, str]]:
    for form in FORMS:
        yield from ((form, encoding, options) for encoding in form.encodings for options in _variants(form))


def tasks(random: int, hard: bool, exhaustive: bool) -> list[Task]:
    """What an audit does: about `random` random points, the suites' points, and every 16-bit input."""
    planned: list[Task] = []
    keys = [
        (form.name, encoding, options, dtype, quantity)
        for (form, encoding, options), dtype in itertools.product(_columns(), FORMATS)
        for quantity in form.quantities
    ]
    planned += [Task(RANDOM, *key, count=-(-random // len(keys))) for key in keys if random]
    if random:
        for (form, encoding, options), dtype in itertools.product(_columns(), FORMATS):
            if form.encodings != ("-",):
                plain = (form.name, encoding, options, dtype, "value")
                planned += [Task(RANDOM, *plain, count=6, reduction=r, denominator=d) for r, d in REDUCED]
    if hard:
        for suite, (form, encoding, options), dtype in itertools.product(SUITES, _columns(), MEASURED):
            if suite.fits(form, encoding) and suite.name != "many_classes":
                for quantity in form.quantities:
                    planned.append(Task(HARD, form.name, encoding, options, dtype, quantity, suite=suite.name))
    if exhaustive:
        for form, dtype in itertools.product(filter(_univariate, FORMS), ("float16", "bfloat16")):
            sides = [e for e in form.encodings if e in ("-", "binary", "signed")]
            for encoding, quantity in itertools.product(sides, form.quantities[:2]):
                for first in range(0, 1 << 16, 1 << 14):
                    planned.append(
                        Task(EXHAUSTIVE, form.name, encoding, "", dtype, quantity, count=1 << 14, first=first)
                    )
    return planned


def _random_inputs(form: Form, dtype: str, count: int, rng: np.random.Generator) -> Array:
    """Half of them spread over the format's exponents, half where losses are usually asked."""
    fmt, shape = format_of(dtype), (count, CLASSES if form.class_axis else 1)
    if form.wrt != "z":
        x = np.where(rng.random(shape) < 0.5, rng.uniform(0, 1, shape), np.exp2(rng.uniform(fmt.emin, 0, shape)))
        return np.clip(to_nearest(np.where(rng.random(shape) < 0.2, 1 - x, x), dtype), 0.0, 1.0)
    wide = np.exp2(rng.uniform(fmt.emin, fmt.emax, shape)) * rng.choice([-1.0, 1.0], shape)
    usual = rng.normal(0, 1, shape) * np.exp2(rng.uniform(-6, 8, (count, 1)))
    x = to_nearest(np.where(rng.random((count, 1)) < 0.25, wide, usual), dtype)
    return np.where(np.isfinite(x), x, fmt.maxfinite)


def _drawn(task: Task) -> tuple[Array, Array | None]:
    form = form_of(task.form)
    if task.suite:
        suite = next(s for s in SUITES if s.name == task.suite)
        cases = suite.draw(form, task.encoding, task.dtype, CLASSES if form.class_axis else 1, "default", 0)
        return cases.x, cases.y
    if task.kind == EXHAUSTIVE:
        bits = np.arange(task.first, task.first + task.count, dtype=np.uint16)
        x = decode(bits.view(format_of(task.dtype).storage), task.dtype)
        x = x[(x >= 0) & (x <= 1)] if form.wrt == "p" else x
        if task.encoding == "-":
            return x, None
        values = (-1.0, 1.0) if task.encoding == "signed" else (0.0, 1.0)
        return np.tile(x, 2), np.repeat(values, len(x))
    x = _random_inputs(form, task.dtype, task.count, task.rng)
    draw = Draw(form, task.encoding, task.dtype, x.shape[1], "default", 0, task.rng)
    return (x if form.class_axis else x[:, 0]), labels(draw, x)


def examine(task: Task) -> Findings:
    """Certify the points of a task by both oracles. Exhaustive ones by the second, the first at one in 100, and by
    the bulk tier beside them, which must give the same."""
    form, findings = form_of(task.form), Findings()
    x, y = _drawn(task)
    if len(x) == 0:
        return findings
    keywords: dict[str, Any] = {"check_every": 100 if task.kind == EXHAUSTIVE else 1}
    if task.reduction != "none":
        keywords |= {"reduction": task.reduction, "denominator": task.denominator}
        keywords["sample_weight"] = task.rng.choice([0.0, 0.3, 1.0, 2.5], len(x))
    call = (task.dtype, task.quantity, task.options)
    try:
        exact = evaluate(form, x, y, *call, **keywords, in_bulk=False)
        if task.kind == EXHAUSTIVE and not np.all(same_results(evaluate(form, x, y, *call), exact)):
            findings.failures.append(f"{task}: the bulk tier and the second oracle differ")
        certificates = exact.certificates
    except ArithmeticError:
        for i in range(len(x)):
            try:
                evaluate(form, x[i : i + 1], None if y is None else y[i : i + 1], *call, check_every=1)
            except ArithmeticError as error:
                findings.failures.append(str(error))
        findings.failures = findings.failures or [f"{task}: fails as a whole"]
        return findings
    findings.points[task.kind] = 1 if task.reduction != "none" else len(x)
    kinds, asked = np.unique(certificates["kind"], return_counts=True)
    findings.certificates.update({KINDS[k]: int(n) for k, n in zip(kinds, asked, strict=True)})
    oracles, asked = np.unique(certificates["oracles"], return_counts=True)
    findings.oracles.update({ORACLES[k]: int(n) for k, n in zip(oracles, asked, strict=True)})
    findings.precision = int(certificates["precision"].max())
    return findings


def audit(planned: list[Task], executor: Executor, progress: Progress) -> Findings:
    """Examine every task; the dearest begin first."""
    cost = {name: 4 if form_of(name).class_axis else 1 for name in {task.form for task in planned}}
    ordered = sorted(planned, key=lambda task: -cost[task.form] * (task.count or 200))
    findings = Findings()
    for future in as_completed([executor.submit(examine, task) for task in ordered]):
        findings.merge(future.result())
        progress.advance()
    return findings
