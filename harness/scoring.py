"""From what a unit returned to rows: one row a quantity, suite, region and metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness.cases import Batch
from lossbench.harness.metrics import Scores, flush_tolerant, hopeless, relative_errors, score
from lossbench.harness.plan import Absence, Unit
from lossbench.harness.rows import CATEGORIES, Row
from lossbench.harness.worst import recertified
from lossbench.reference import Exact, form_of
from lossbench.reference.formats import FORMATS

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Context:
    """What all rows of a run share, and what the workers found out about their libraries."""

    run_id: str
    platform: str
    tier: str
    seed: int
    versions: dict[str, str]
    flushes: dict[tuple[str, str, str], bool]  # (library, mode, dtype)


def blank(context: Context, **key: Any) -> Row:
    """A row with the run's facts filled in and every key that is not given empty."""
    base: dict[str, Any] = dict.fromkeys(
        ("form", "encoding", "options", "quantity", "library", "call", "mode", "dtype", "out_dtype"), ""
    )
    base.update(dict.fromkeys(("suite", "suite_hash", "region", "shape", "work_class", "cache", "metric"), ""))
    base.update(reduction="none", device="cpu", threads=0, tier=context.tier)
    base.update(key)
    version = context.versions.get(base["library"], "")
    return Row(**base, library_version=version, platform=context.platform, run_id=context.run_id)


def absence_row(context: Context, absence: Absence, device: str) -> Row:
    """The row of a pair that cannot be measured."""
    key = {name: getattr(absence, name) for name in ("library", "call", "mode", "form", "encoding", "options")}
    row = blank(context, **key, dtype=absence.dtype, device=device, quantity="value", metric="ulp")
    return replace(row, status=absence.status, reason=absence.reason)


def unit_rows(
    context: Context,
    unit: Unit,
    batch: Batch,
    exact: dict[str, Exact],
    outputs: dict[str, Array],
    facts: dict[str, Any],
) -> list[Row]:
    """Rows of a finished unit. `facts` are those of the worker's "done" event, or {"failure": (status, reason)}."""
    form = form_of(unit.form)
    rows = []
    for name, quantity in (("value", form.quantities[0]), ("grad", form.quantities[1])):
        row = blank(
            context,
            **{k: getattr(unit, k) for k in ("form", "encoding", "options", "library", "call", "mode", "device")},
            dtype=unit.dtype,
            quantity=quantity,
            shape=str(unit.classes) if form.class_axis else "1",
            metric="ulp",
        )
        failures = _failures(name, quantity, facts, outputs, exact[quantity], list(batch.hashes))
        for suite, (status, reason) in failures.items():
            rows.append(replace(row, suite=suite, suite_hash=batch.hashes[suite], status=status, reason=reason))
        if len(failures) == len(batch.hashes):
            continue
        row = replace(row, out_dtype=facts["dtypes"][name])
        chosen = outputs.get("index", np.arange(len(batch.x)))
        measured = ~np.isin(batch.suite[chosen], list(failures))
        chosen, outputs = chosen[measured], {**outputs, name: outputs[name][measured]}
        rows += _quantity_rows(context, row, unit, batch, exact[quantity][chosen], outputs[name], chosen)
    return rows


def _failures(
    name: str, quantity: str, facts: dict[str, Any], outputs: dict[str, Array], exact: Exact, suites: list[str]
) -> dict[str, tuple[str, str]]:
    """Suite -> (status, reason) where there is nothing to score."""

    def everywhere(status: str, reason: str) -> dict[str, tuple[str, str]]:
        return dict.fromkeys(suites, (status, reason))

    if "failure" in facts:
        return everywhere(*facts["failure"])
    if name in facts["unsupported"]:
        return everywhere("unsupported", facts["unsupported"][name])
    errors = facts["errors"].get(name, {})
    if "*" in errors:
        return everywhere("raised", errors["*"])
    if name not in outputs:
        return everywhere("raised", f"returned no {name}")
    cases = len(outputs["index"]) if "index" in outputs else len(exact.value)
    wanted = (cases, *exact.value.shape[1:])
    if outputs[name].shape != wanted:
        return everywhere("raised", f"returned shape {outputs[name].shape} for {quantity}, expected {wanted}")
    return {suite: ("raised", reason) for suite, reason in errors.items()}


def _quantity_rows(
    context: Context, row: Row, unit: Unit, batch: Batch, exact: Exact, got: Array, chosen: Array
) -> Iterator[Row]:
    form, fmt = form_of(unit.form), FORMATS[unit.dtype]
    scores = score(got, exact, form.nonnegative and row.quantity == "value")
    wide = batch.wide[chosen]
    by_case = np.abs(wide) if wide.ndim == 1 else np.abs(wide).max(axis=1)
    subnormal = (wide != 0) & (np.abs(wide) < fmt.tiny)
    subnormal = subnormal if wide.ndim == 1 else subnormal.any(axis=1)
    relative = relative_errors(scores, exact)
    suites, regions = batch.suite[chosen], batch.region[chosen]
    flushes = context.flushes.get((unit.library, unit.mode, unit.dtype), False)
    for suite, region in dict.fromkeys(zip(suites.tolist(), regions.tolist(), strict=True)):
        mask = (suites == suite) & (regions == region)
        here = replace(row, suite=suite, suite_hash=batch.hashes[suite], region=region)
        part = _mask(scores, mask)
        yield _ulp_row(here, unit, batch, part, got[mask], exact[mask], by_case[mask], chosen[mask], context)
        if flushes:
            lenient = flush_tolerant(part, got[mask], exact[mask], fmt, subnormal[mask])
            yield replace(_summary(here, lenient, fmt), metric="ulp_ftz")
        if suite != "landmarks":
            finite = relative[mask][np.isfinite(relative[mask]) & ~part.bad()]
            worst = float(finite.max()) if finite.size else None
            yield replace(here, metric="rel", unit="1", value=worst, n=int(finite.size), bound="sampled")


def _mask(scores: Scores, mask: Array) -> Scores:
    return Scores(scores.codes[mask], scores.ulps[mask])


def _summary(row: Row, scores: Scores, fmt: Any) -> Row:
    finite = scores.ulps[~np.isnan(scores.ulps) & ~scores.bad()]
    value = float(finite.max()) if finite.size else None
    defect = bool(scores.bad().any()) or (value is not None and value > hopeless(fmt))
    return replace(
        row, unit="ulp", value=value, n=int(scores.codes.size), counts=scores.counts(),
        bound="sampled", verdict="defect" if defect else "ok",
    )  # fmt: skip


def _ulp_row(
    row: Row,
    unit: Unit,
    batch: Batch,
    scores: Scores,
    got: Array,
    exact: Exact,
    mildness: Array,
    chosen: Array,
    context: Context,
) -> Row:
    row = _summary(row, scores, FORMATS[unit.dtype])
    spread = mildness if scores.codes.ndim == 1 else np.repeat(mildness, scores.codes.shape[1])
    flat = Scores(scores.codes.reshape(-1), scores.ulps.reshape(-1))
    worst = flat.worst(spread)
    if worst is None:
        return row
    columns = 1 if scores.codes.ndim == 1 else scores.codes.shape[1]
    case, place = int(chosen[worst // columns]), (worst,) if scores.codes.ndim == 1 else divmod(worst, columns)
    return replace(
        row,
        worst_input=describe_case(batch, case, context.seed),
        got=repr(float(got.reshape(-1)[worst])),
        want=repr(float(exact.value.reshape(-1)[worst])),
        worst_category=CATEGORIES[flat.codes[worst]],
        certificate=recertified(batch, case, worst % columns, row.quantity, unit.options, exact[place]),
    )


def describe_case(batch: Batch, case: int, seed: int) -> str:
    """A case as text that replays it: hex floats up to 16 numbers, else suite/seed/index."""
    x = np.atleast_1d(batch.wide[case])
    y = None if batch.labels is None else np.atleast_1d(batch.labels[case])
    if x.size + (0 if y is None else y.size) > 16:
        suite = str(batch.suite[case])
        return f"{suite}/{seed}/{case - batch.slices[suite][0]}"
    wrt = form_of(batch.key.form).wrt

    def text(values: Array) -> str:
        numbers = [str(v) if isinstance(v, int) else float(v).hex() for v in values.tolist()]
        return numbers[0] if len(numbers) == 1 else f"[{','.join(numbers)}]"

    return f"{wrt}={text(x)}" if y is None else f"{wrt}={text(x)} y={text(y)}"
