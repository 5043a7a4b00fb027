"""The front door of the reference: the certified result of every form at given floating-point inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference import bulk, check
from lossbench.reference.case import Case, Mean, cases_of
from lossbench.reference.certificate import CERTIFICATE, KINDS, ORACLES, Certificate, Certified
from lossbench.reference.form import VALUE, Form
from lossbench.reference.formats import Format, format_of, to_nearest
from lossbench.reference.forms import form_of
from lossbench.reference.options import Options
from lossbench.reference.referee import DisagreementError, Referee

Said = str | Mapping[str, Any] | Options


@dataclass(frozen=True)
class Exact:
    """Exact results: correctly rounded values, exponents of ulp(r), (r - value) in ulps, and their certificates.

    All of equal shape. Where r overflows the format or is no number, value says so and the tail is 0.
    """

    value: npt.NDArray[np.float64]
    ulp_exponent: npt.NDArray[np.int32]
    tail: npt.NDArray[np.float64]
    certificates: npt.NDArray[np.void]

    def __getitem__(self, chosen: Any) -> Exact:
        """The results at an index of the arrays."""
        return Exact(self.value[chosen], self.ulp_exponent[chosen], self.tail[chosen], self.certificates[chosen])

    def certificate(self, *place: int) -> Certificate:
        """The certificate of one result."""
        kind, oracles, precision, radius = self.certificates[place].item()
        return Certificate(KINDS[kind], precision, radius, ORACLES[oracles])


def count_certificates(answers: Iterable[Exact]) -> dict[str, dict[str, int]]:
    """Numbers of results by the kind of their certificate, and by the oracles behind it."""
    kinds = np.zeros(len(KINDS), int)
    oracles = np.zeros(len(ORACLES), int)
    for answer in answers:
        kinds += np.bincount(answer.certificates["kind"].reshape(-1), minlength=len(KINDS))
        oracles += np.bincount(answer.certificates["oracles"].reshape(-1), minlength=len(ORACLES))
    return {
        "kind": dict(zip(KINDS, kinds.tolist(), strict=True)),
        "oracles": dict(zip(ORACLES, oracles.tolist(), strict=True)),
    }


def _collect(results: Sequence[Sequence[Certified]], columns: int) -> Exact:
    shape = (len(results), columns)
    flat = [one for row in results for one in row]
    packed = [
        (KINDS.index(c.kind), ORACLES.index(c.oracles), c.precision, c.radius)
        for c in (one.certificate for one in flat)
    ]
    return Exact(
        np.array([one.rounded.value for one in flat], np.float64).reshape(shape),
        np.array([one.rounded.ulp_exponent for one in flat], np.int32).reshape(shape),
        np.array([one.rounded.tail for one in flat], np.float64).reshape(shape),
        np.array(packed, CERTIFICATE).reshape(shape),
    )


def evaluate(
    form: Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    dtype: str,
    quantity: str = VALUE,
    options: Said = "",
    reduction: str = "none",
    *,
    sample_weight: npt.ArrayLike | None = None,
    denominator: str = "N",
    check_every: int = 100,
    in_bulk: bool = True,
) -> Exact:
    """Return a quantity of a form at N cases, correctly rounded to `dtype`, with certificates.

    x: numbers of the format, shape (N,), or (N, K) for a form with a class axis. NaN and infinities are allowed:
        results are then the limits where they exist, else NaN.
    y: labels, shape (N,), (N, K), or (N,) integers for an index; None for building blocks.
    quantity: "value", "grad:<wrt>", "hess_diag:<wrt>" or "hvp:<wrt>".
    options: a canonical string, a mapping of names to values, or an Options.
    reduction: "none" gives one value a case; "sum" and "mean" give values of shape () (or (K,)), and under "mean" the
        derivatives are those of the mean.
    sample_weight: numbers >= 0, shape (N,). denominator of the mean: "N", the number of cases that are not ignored,
        or "sum_w", the sum of their weights: sample weight times w_t, or times sum_k w_k y_k for soft labels; for
        binary labels the sample weight alone. A mean that divides by
        zero is 0, and a mean over no cases at all is NaN.
    check_every: both oracles are asked at one case in so many, 1 for every case. Elsewhere large batches are decided
        by the bulk tier, and what it leaves, as small batches, by the second oracle alone.
    in_bulk: False keeps the bulk tier out.

    Raises ValueError for arguments outside the form's domain, and ArithmeticError when an oracle cannot decide or
    the two disagree: there is no uncertain result.
    """
    fmt = format_of(dtype)
    check.reduction(reduction, denominator)
    said = form.said(options)
    wide, labels, weights = _checked(form, x, y, fmt, quantity, said, sample_weight)
    size = wide.shape[1] if form.class_axis else 1
    cases = cases_of(form, wide, labels, weights, said)
    referee = Referee(form, quantity, said, fmt)
    mean = Mean(cases, denominator == "sum_w") if reduction == "mean" else None
    components = form.components(quantity, size)
    flat = not form.by_component(quantity)
    if quantity == VALUE and reduction != "none":
        reduced = _collect([referee.total(cases, mean, components)], components)
        return reduced[0, 0] if flat else reduced[0]
    fast = None
    if in_bulk and check_every > 1 and mean is None and weights is None:
        fast = bulk.attempt(form, wide, labels, dtype, quantity, said)
    if fast is None:
        rows = [referee.results(case, mean, check=i % check_every == 0) for i, case in enumerate(cases)]
        result = _collect(rows, components)
        return result[:, 0] if flat else result
    return _completed(Exact(**fast[0]), fast[1], cases, referee, check_every)


def _completed(
    found: Exact, decided: npt.NDArray[np.bool_], cases: Sequence[Case], referee: Referee, check_every: int
) -> Exact:
    """The bulk tier's results with the referee's where it left them undecided, and a sample held against both."""
    whole = decided if decided.ndim == 1 else decided.all(axis=1)
    asked = np.flatnonzero(~whole | (np.arange(len(cases)) % check_every == 0))
    for i in asked.tolist():
        sampled = i % check_every == 0
        slow = _collect([referee.results(cases[i], check=sampled)], 1 if decided.ndim == 1 else decided.shape[1])[0]
        slow = slow[0] if decided.ndim == 1 else slow
        wrong = sampled & decided[i] & ~same_results(found[i], slow)
        if np.any(wrong):
            raise DisagreementError(f"{referee.name} at {cases[i]}: the filter says {found[i]}, both oracles {slow}")
        for name in ("value", "ulp_exponent", "tail", "certificates"):
            getattr(found, name)[i] = getattr(slow, name)
    return found


def same_results(one: Exact, other: Exact) -> npt.NDArray[np.bool_]:
    """Where two answers are the same number: value, sign of a zero, ulp, and tails within their radii."""
    equal = (one.value == other.value) & (np.signbit(one.value) == np.signbit(other.value))
    values = equal | (np.isnan(one.value) & np.isnan(other.value))
    slack = one.certificates["radius"] + other.certificates["radius"] + 2.0**-50
    alike: npt.NDArray[np.bool_] = (one.ulp_exponent == other.ulp_exponent) & (np.abs(one.tail - other.tail) <= slack)
    both: npt.NDArray[np.bool_] = values & (alike | ~np.isfinite(one.value))
    return both


def exact(
    form: str | Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    dtype: str,
    quantity: str = VALUE,
    options: Said = "",
) -> Exact:
    """Return a quantity of a form at one case, correctly rounded to `dtype`. Both oracles are asked.

    x: a number, or K of them for a form with a class axis; y: its label, an integer for an index.
    Inputs are rounded to `dtype` first, because that is where a library would be asked.
    """
    form = form_of(form) if isinstance(form, str) else form
    said = form.said(options)
    case = case_of(form, x, y, dtype, quantity, said)
    size = len(case.x) if isinstance(case.x, list) else 1
    result = _collect([Referee(form, quantity, said, format_of(dtype)).results(case)], form.components(quantity, size))
    return result[0] if form.by_component(quantity) else result[0, 0]


def case_of(form: Form, x: npt.ArrayLike, y: npt.ArrayLike | None, dtype: str, quantity: str, options: Options) -> Case:
    """One checked case with inputs rounded to the format; arguments as for `exact`."""
    fmt = format_of(dtype)
    inputs = np.asarray(x)
    if inputs.dtype.kind not in "fiub":
        raise ValueError(f"{form.wrt}: got {inputs.dtype} of shape {inputs.shape}, wants real numbers")
    labels = None
    if y is not None:
        labels = np.asarray(y)[None]
        if labels.dtype.kind == "f" or (labels.dtype.kind in "iub" and not (form.by_class and labels.ndim == 1)):
            labels = to_nearest(labels, fmt.name)
    wide, checked, _ = _checked(form, to_nearest(inputs, dtype)[None], labels, fmt, quantity, options, None)
    return cases_of(form, wide, checked, None, options)[0]


def _checked(
    form: Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    fmt: Format,
    quantity: str,
    options: Options,
    sample_weight: npt.ArrayLike | None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None, npt.NDArray[Any] | None]:
    """Inputs, labels and sample weights of the form's domain, or a ValueError that names the argument."""
    check.quantity(form, quantity)
    wide = check.numbers(form.wrt, x, 2 if form.class_axis else 1, fmt)
    check.domain(form, wide)
    check.sizes(form, options, wide.shape[1] if form.class_axis else 1)
    labels = check.labels(form, y, wide, options)
    return wide, labels, check.sample_weight(sample_weight, len(wide))
