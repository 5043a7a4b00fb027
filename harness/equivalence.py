"""Equivalences of label conventions, measured: two writings of one label, two calls' answers, the gap in ulps.

Suite label_conventions asks forms that are equal on paper at the same inputs. Whatever the error of each
answer, the two should agree; the difference is counted in ulps of the exact value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness.cases import Batch
from lossbench.harness.plan import Unit
from lossbench.harness.rows import Row
from lossbench.harness.scoring import Context, blank
from lossbench.reference import Exact, form_of

SUITE, REGION = "label_conventions", "hard"


@dataclass(frozen=True)
class Equivalence:
    """Two (form, encoding) pairs that mean the same; within one call, or across the calls of a library."""

    left: tuple[str, str]
    right: tuple[str, str]
    across_calls: bool = False


EQUIVALENCES: tuple[Equivalence, ...] = (
    Equivalence(("softmax_xent", "index"), ("softmax_xent", "onehot")),
    Equivalence(("softmax_xent", "onehot"), ("softmax_xent", "soft")),
    Equivalence(("prob_xent", "index"), ("prob_xent", "onehot")),
    Equivalence(("prob_xent", "onehot"), ("prob_xent", "soft")),
    Equivalence(("sigmoid_bce", "binary"), ("sigmoid_bce", "soft")),
    Equivalence(("multilabel_bce", "binary"), ("multilabel_bce", "soft")),
    Equivalence(("prob_bce", "binary"), ("prob_bce", "soft")),
    Equivalence(("sigmoid_bce", "binary"), ("margin_logistic", "signed"), across_calls=True),
)
_SIDES = {side for e in EQUIVALENCES for side in (e.left, e.right)}


def keep(folder: Path, unit: Unit, batch: Batch, exact: dict[str, Exact], outputs: dict[str, Any]) -> None:
    """Store a unit's answers on the suite, for `compare` at the end of the run."""
    if (unit.form, unit.encoding) not in _SIDES or SUITE not in batch.hashes or "index" in outputs:
        return
    chosen = np.flatnonzero((batch.suite == SUITE) & (batch.region == REGION))
    stored: dict[str, Any] = {"hash": np.array(batch.hashes[SUITE])}
    for name, quantity in (("value", "value"), ("grad", form_of(unit.form).quantities[1])):
        if name in outputs and outputs[name].shape == exact[quantity].value.shape:
            stored[name] = outputs[name][chosen]
            stored[f"{name}_ulp"] = exact[quantity].ulp_exponent[chosen]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{unit.id.replace('/', '~')}.npz", **stored)


def compare(folder: Path, units: list[Unit], context: Context) -> Iterator[Row]:
    """Yield a row for every pair of answers that should be equal."""
    found: dict[tuple[Any, ...], list[Unit]] = {}
    for unit in units:
        if (unit.form, unit.encoding) in _SIDES:
            shared = (unit.library, unit.mode, unit.device, unit.dtype, unit.classes, unit.options)
            found.setdefault((*shared, unit.form, unit.encoding), []).append(unit)
    for key, lefts in found.items():
        for equivalence in EQUIVALENCES:
            if equivalence.left == key[-2:]:
                rights = found.get((*key[:-2], *equivalence.right), [])
                for left in lefts:
                    for right in rights:
                        if equivalence.across_calls or left.call == right.call:
                            yield from _pair(folder, left, right, context)


def _load(folder: Path, unit: Unit) -> dict[str, npt.NDArray[Any]]:
    path = folder / f"{unit.id.replace('/', '~')}.npz"
    if not path.exists():
        return {}
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _pair(folder: Path, left: Unit, right: Unit, context: Context) -> Iterator[Row]:
    a, b = _load(folder, left), _load(folder, right)
    form = form_of(left.form)
    row = blank(
        context,
        **{k: getattr(left, k) for k in ("form", "options", "library", "mode", "device", "dtype")},
        call=left.call if left.call == right.call else f"{left.call} = {right.call}",
        encoding=f"{left.encoding}={right.encoding}",
        suite=SUITE,
        suite_hash=str(a.get("hash", "")),
        region=REGION,
        shape=str(left.classes) if form.class_axis else "1",
        metric="equivalence",
    )
    for name, quantity in (("value", "value"), ("grad", form.quantities[1])):
        if name not in a or name not in b:
            continue  # the units' own rows say why there is no answer
        with np.errstate(all="ignore"):
            gap = np.abs(np.ldexp(a[name] - b[name], -a[f"{name}_ulp"]))
        same = (a[name] == b[name]) | (np.isnan(a[name]) & np.isnan(b[name]))
        gap = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
        value = float(gap.max()) if gap.size else None
        yield replace(row, quantity=quantity, unit="ulp", value=value, n=int(gap.size), bound="sampled")
