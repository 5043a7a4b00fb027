"""A made-up run, written with the real row type and row file, in which the defects are known."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossbench.harness.duel import verdict
from lossbench.harness.rows import SCHEMA_VERSION, Row, RowFile, schema

PLATFORM = "linux-x86_64-v3-intel"
MANTISSA = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
TORCH = "nn.functional.binary_cross_entropy"
#: (library, form, call, behaviour): `clamped` and `clipped` return a constant where the loss keeps growing
CALLS = (
    ("native", "sigmoid_bce", "sigmoid_bce", "exact"),
    ("native", "prob_bce", "prob_bce", "exact"),
    ("native", "softplus", "softplus", "exact"),
    ("numpy", "sigmoid_bce", "log(1+exp(-m))", "naive"),
    ("numpy", "sigmoid_bce", "maximum+log1p(exp(-abs))", "stable"),
    ("numpy", "prob_bce", "-y*log(p)-(1-y)*log(1-p)", "stable"),
    ("numpy", "softplus", "log(1+exp(x))", "naive"),
    ("torch", "sigmoid_bce", f"{TORCH}_with_logits", "stable"),
    ("torch", "prob_bce", TORCH, "clamped"),
    ("torch", "softplus", "nn.functional.softplus", "stable"),
    ("keras", "sigmoid_bce", "losses.binary_crossentropy(from_logits=True)", "stable"),
    ("keras", "prob_bce", "losses.binary_crossentropy", "clipped"),
    ("keras", "softplus", "ops.softplus", "stable"),
)
MODES = {"native": ("numba",), "numpy": ("numpy",), "torch": ("eager", "compile"), "keras": ("graph",)}
ENCODINGS = {"softplus": ("-",)}
ARGUMENT = {"sigmoid_bce": "z", "prob_bce": "p", "softplus": "x"}
LOGITS = (-1000.0, -100.0, -40.0, 0.0, 40.0, 100.0)
PROBABILITIES = (1e-20, 1e-10, 0.25, 0.5)
RATES = {"exact": 4e8, "stable": 2e8, "naive": 1e8, "clamped": 1.5e8, "clipped": 1.6e8}

Implementation = tuple[str, str, str, str, str]


def implementations() -> Iterator[Implementation]:
    """(library, form, call, mode, behaviour) of every implementation of the run."""
    for library, form, call, behaviour in CALLS:
        for mode in MODES[library]:
            yield library, form, call, mode, behaviour


def exact_at(form: str, x: float) -> float:
    if form == "prob_bce":
        return -math.log(x)
    z = x if form == "softplus" else -x
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def got_at(form: str, behaviour: str, x: float) -> float:
    want = exact_at(form, x)
    if behaviour == "naive":
        z = x if form == "softplus" else -x
        return math.inf if z > 88 else 0.0 if z < -20 else want
    return min(want, {"clamped": 20.0, "clipped": 16.118}.get(behaviour, math.inf))


def classify(got: float, want: float, precision: int) -> tuple[str, float | None]:
    if got == want:
        return "CR", 0.25
    if math.isinf(got):
        return "SPURIOUS_INF", None
    error = abs(got - want) / 2.0 ** (math.floor(math.log2(want)) - precision + 1)
    return ("LOST" if got == 0 else "FINITE"), error


def row(library: str, form: str, **changes: Any) -> Row:
    """A row with defaults for what `changes` does not name."""
    fields: dict[str, Any] = {
        **{"form": form, "encoding": "-", "options": "", "quantity": "value", "reduction": "none"},
        **{"library": library, "call": "-", "mode": "-", "device": "cpu", "threads": 1, "dtype": "float32"},
        **{"out_dtype": "", "suite": "-", "suite_hash": "", "tier": "quick", "region": "", "shape": ""},
        **{"work_class": "", "cache": "", "metric": "ulp", "platform": PLATFORM, "run_id": "synthetic"},
        **{"library_version": "1.0"},
    }
    return Row(**{**fields, **changes})


def accuracy_rows(
    implementation: Implementation,
    dtypes: tuple[str, ...] = ("float32", "float64"),
    suites: tuple[str, ...] = ("wide", "tails", "near_zero"),
    regions: int = 2,
) -> list[Row]:
    """Rows of one implementation: the landmarks, then each suite."""
    library, form, call, mode, _ = implementation
    rows = []
    for dtype in dtypes:
        for encoding in ENCODINGS.get(form, ("binary", "soft")):
            for quantity in ("value", f"grad:{ARGUMENT[form]}"):
                key = {"call": call, "mode": mode, "dtype": dtype, "out_dtype": dtype, "unit": "ulp"}
                base = row(library, form, encoding=encoding, quantity=quantity, bound="sampled", **key)
                rows += _landmarks(base, implementation)
                for suite in suites:
                    rows += _suite(base, implementation, suite, regions)
    return rows


def _landmarks(base: Row, implementation: Implementation) -> Iterator[Row]:
    _, form, _, _, behaviour = implementation
    for point in PROBABILITIES if form == "prob_bce" else LOGITS:
        want, got = exact_at(form, point), got_at(form, behaviour, point)
        category, error = classify(got, want, MANTISSA[base.dtype])
        region = f"{ARGUMENT[form]}={point:g}" + ("" if base.encoding == "-" else " y=1")
        case = {"worst_input": point.hex(), "got": repr(got), "want": repr(want), "worst_category": category}
        drawn = {"suite": "landmarks", "suite_hash": f"l-{form}-{base.dtype}", "region": region, "shape": "1"}
        yield replace(base, **case, **drawn, value=error, n=1, counts={category: 1})


def _suite(base: Row, implementation: Implementation, suite: str, regions: int) -> Iterator[Row]:
    library, form, call, mode, behaviour = implementation
    for region in range(regions):
        seed = zlib.crc32(f"{library}{call}{mode}{base.dtype}{suite}{region}{base.quantity}".encode())
        error = {"exact": 0.5, "clipped": 3.4e5 + seed % 977}.get(behaviour, 0.6 + seed % 1000 / 700)
        bad = {"LOST": 3, "SPURIOUS_INF": 1} if behaviour == "naive" else {}
        counts = {"CR": 900, "FINITE": 100 - sum(bad.values()), **bad}
        case = {"worst_input": "0x1.8p+3, 0x1p+0", "got": "0.0", "want": "1.2e-05"}
        case["worst_category"] = "LOST" if bad else "FINITE"
        drawn = {"suite": suite, "suite_hash": f"{suite}-{form}-{base.dtype}", "shape": "1"}
        scored = replace(base, **case, **drawn, region=f"r{region}", value=error, n=1000, counts=counts)
        yield scored
        if library == "keras":
            yield replace(scored, metric="ulp_ftz")


def speed_rows(implementation: Implementation) -> Iterator[Row]:
    """Throughput of one implementation; the clipped one is disqualified."""
    library, form, call, mode, behaviour = implementation
    wrong = behaviour == "clipped"
    for dtype in ("float32", "float64"):
        for work in ("F", "FB"):
            for shape in ("1000", "1000000"):
                rate = RATES[behaviour] * (0.9 + zlib.crc32(f"{call}{mode}{work}".encode()) % 100 / 300)
                base = row(
                    library, form, encoding=ENCODINGS.get(form, ("binary",))[0], call=call, mode=mode,
                    dtype=dtype, suite="throughput", shape=shape, work_class=work, cache="hot",
                    verdict="disqualified" if wrong else "ok", reason="off by 3.4e5 ulp" if wrong else "",
                )  # fmt: skip
                seconds = int(shape) / rate
                values = (("seconds", seconds, "s"), ("elements_per_s", rate, "1/s"))
                for metric, value, unit in (
                    *values,
                    ("gb_per_s", rate * 4e-9, "GB/s"),
                    ("first_call_s", 0.3, "s"),
                ):
                    yield replace(base, metric=metric, value=value, unit=unit, lo=value * 0.98, hi=value * 1.03)
                if not wrong:
                    # native loses some of its duels; its prepared call takes two thirds of the time
                    ratio = (3e8 if library == "torch" else 1.2e8) / rate
                    for metric, value in (("native_ratio", ratio), ("prepared_ratio", 1.5 * ratio)):
                        found = {"value": value, "lo": value * 0.95, "hi": value * 1.05, "unit": "1", "n": 20}
                        yield replace(base, metric=metric, verdict=verdict(value * 0.95, value * 1.05), **found)


def other_rows() -> Iterator[Row]:
    """Absences, each of another kind."""
    yield row("keras", "margin_logistic", encoding="signed", status="unsupported", reason="no -1/+1 labels")
    yield row("jax", "softplus", status="unavailable", reason="jax is not installed")
    died = {"call": "nn.functional.soft_margin_loss", "mode": "eager", "suite": "wide", "status": "died"}
    yield row("torch", "margin_logistic", encoding="signed", reason="signal 11 in chunk 3", **died)
    timing = {"suite": "throughput", "metric": "seconds", "cache": "hot", "mode": "eager"}
    for work in ("F", "FB"):
        yield row("torch", "softplus", call="mean_only", work_class=work, status="unsupported", reason="no", **timing)


def pair_rows() -> Iterator[Row]:
    """Two writings of the same labels, for a call that agrees and for one that does not."""
    for call, gap in ((f"{TORCH}_with_logits", 0.0), (TORCH, 2.5)):
        form = "sigmoid_bce" if gap == 0 else "prob_bce"
        for mode in MODES["torch"]:
            pair = {"encoding": "binary=soft", "call": call, "mode": mode, "metric": "equivalence"}
            for quantity in ("value", f"grad:{ARGUMENT[form]}"):
                value = gap if quantity == "value" else 0.0
                yield row("torch", form, suite="label_conventions", quantity=quantity, value=value, **pair)


def environment() -> dict[str, Any]:
    return {
        **{"schema_version": SCHEMA_VERSION, "schema": schema(), "run_id": "synthetic", "platform": PLATFORM},
        **{"started": "2026-01-02T03:04:05Z", "threads": 1, "python": "3.11.9"},
        "cpu": {"model": "Some CPU", "cores": 2, "flags": ["avx2", "fma"]},
        "libraries": {
            "torch": {"version": "2.13.0", "status": "available"},
            "jax": {"version": None, "status": "jax is not installed"},
        },
        "devices": {"torch": {"cpu": "", "cuda": "no CUDA driver"}},
    }


def plan() -> dict[str, Any]:
    return {
        **{"tier": "quick", "seed": 1, "predicted_s": 60.0, "measured_s": 71.5, "units": 12},
        "left_out": ["float16 and bfloat16: not in the quick tier"],
        "argv": ["lossbench", "run", "--quick"],
    }


def write_run(folder: Path, accuracy: bool = True, throughput: bool = True, **changes: Any) -> Path:
    """Write a run into `folder` and return it; `changes` go into plan.json."""
    folder.mkdir(parents=True, exist_ok=True)
    file = RowFile(folder / "rows.jsonl")
    for implementation in implementations():
        unit = ":".join(implementation)
        if accuracy:
            file.append(unit, accuracy_rows(implementation))
        if throughput:
            file.append(f"{unit}:throughput", speed_rows(implementation))
    if throughput:
        file.append("import", [row("torch", "-", quantity="probe", metric="import_s", value=1.7, unit="s")])
    if accuracy:
        for name in MODES:
            ftz = {"quantity": "probe", "suite": "probe", "metric": "ftz", "reason": "2^-149 times 1"}
            file.append(f"probe:{name}", [row(name, "-", value=float(name == "keras"), **ftz)])
        file.append("absences", other_rows())
        file.append("equivalence", pair_rows())
    (folder / "env.json").write_text(json.dumps(environment()), encoding="utf-8")
    (folder / "plan.json").write_text(json.dumps({**plan(), **changes}), encoding="utf-8")
    return folder
