"""How numbers, implementations and error categories are written, the same in every report."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable

from lossbench.harness.rows import BAD, CATEGORIES
from lossbench.reference import FORMS

#: Largest error, in ulps, that a table shows as good, and as fair. Correct rounding costs at most 0.5.
GOOD_ULP, FAIR_ULP = 1.0, 16.0

#: category -> what it means, the text of the glossary
GLOSSARY = {
    "RAISED": "the call raised an exception",
    "SPURIOUS_NAN": "NaN where the exact result is a number or an infinity",
    "MISSED_NAN": "a number where the result is undefined, so that NaN is due",
    "SPURIOUS_INF": "infinity where the exact result is finite and representable",
    "MISSED_INF": "a finite number where the exact result overflows or is infinite",
    "LOST": "zero where a representable non-zero number belongs",
    "NEG_LOSS": "a negative value of a loss, which has none",
    "SIGN": "the wrong sign",
    "CR": "correctly rounded: bit-equal to the exact value rounded once",
    "FAITHFUL": "one of the two numbers next to the exact value, not the nearest",
    "FINITE": "right sign and finite, with the error that the table shows in ulps",
}

#: What stands in a narrow cell for each category; FINITE shows its error instead.
SHORT = {
    "RAISED": "raised",
    "SPURIOUS_NAN": "spurious",
    "MISSED_NAN": "not nan",
    "SPURIOUS_INF": "spurious",
    "MISSED_INF": "not inf",
    "LOST": "LOST",
    "NEG_LOSS": "negative",
    "SIGN": "sign",
    "CR": "=",
    "FAITHFUL": "≈",
}

_DTYPES = ("float32", "float64", "float16", "bfloat16")
_FORMS = tuple(form.name for form in FORMS)


def significant(x: float, digits: int = 3) -> str:
    """Write a number with `digits` significant digits: 16.1, 7.1e-218, inf, nan, 0, -0."""
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x == 0:
        return "-0" if math.copysign(1.0, x) < 0 else "0"
    mantissa, _, exponent = f"{x:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -4 <= power < 5:
        text = f"{float(mantissa + 'e' + exponent):.{max(0, digits - 1 - power)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{mantissa.rstrip('0').rstrip('.')}e{power}"


def ulps(x: float) -> str:
    """Write an error in ulps: 0.50, 1.52, 123, 3.4e5; a dash when no case was finite.

    The error of a finite result can exceed the range of float64: that is written >1e308.
    """
    if math.isnan(x):
        return "-"
    if math.isinf(x):
        return ">1e308"
    if x >= 9999.5:
        mantissa, _, exponent = f"{x:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{x:.2f}" if x < 99.995 else f"{x:.0f}"


def scaled(x: float, unit: str = "") -> str:
    """Write a rate or a time with an SI prefix: 386 M, 1.2 G, 3.41 ms."""
    if not math.isfinite(x) or x == 0:
        return significant(x)
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, ""), (-3, "m"), (-6, "µ"), (-9, "n")):
        if abs(x) >= 0.9995 * 10.0**power:
            return f"{significant(x / 10.0**power)} {prefix}{unit}".rstrip()
    return f"{significant(x)} {unit}".rstrip()


def number(text: str) -> float | None:
    """Read a number out of a row's `got` or `want`; None when the text is not one number."""
    try:
        return float.fromhex(text) if "0x" in text else float(text)
    except ValueError:
        return None


def shown(text: str, digits: int = 3) -> str:
    """Shorten a row's `got` or `want` for a cell."""
    value = number(text)
    if value is not None:
        return significant(value, digits)
    return text if len(text) <= 24 else text[:23] + "…"


def tone(worst: float, defect: bool) -> str:
    """Grade a cell: `bad` for a defect, else `good`, `fair` or `poor` by the error in ulps."""
    if defect:
        return "bad"
    if math.isnan(worst) or worst <= GOOD_ULP:
        return "good"
    return "fair" if worst <= FAIR_ULP else "poor"


def bad_text(counts: dict[str, int]) -> str:
    """Write the defect categories of `counts` compactly, worst first: `SPURIOUS_INF 1, LOST 3`."""
    return ", ".join(f"{name} {counts[name]}" for name in BAD if counts.get(name, 0) > 0)


def form_title(form: str, options: str) -> str:
    """A form with its options: options change the mathematics, so each has tables of its own."""
    return f"{form}[{options}]" if options else form


def form_rank(title: str) -> tuple[int, str]:
    """Sort key of form titles: the order of the reference's list, unknown forms last."""
    name = title.partition("[")[0]
    return (_FORMS.index(name) if name in _FORMS else len(_FORMS), title)


def dtype_rank(dtype: str) -> tuple[int, str]:
    """Sort key of dtypes: float32 and float64 first."""
    return (_DTYPES.index(dtype) if dtype in _DTYPES else len(_DTYPES), dtype)


def quantity_rank(quantity: str) -> tuple[int, str]:
    """Sort key of quantities: the value, then derivatives."""
    order = ("value", "grad", "hess_diag", "hvp")
    head = quantity.partition(":")[0]
    return (order.index(head) if head in order else len(order), quantity)


def category_rank(category: str) -> int:
    """Sort key of categories, worst first."""
    return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)


def elided(name: str, width: int) -> str:
    """Shorten `library:call:mode` to about `width` characters by leaving out a part of the call's middle."""
    over = len(name) - width
    head, _, rest = name.partition(":")
    call, colon, mode = rest.partition(":")
    if over <= 0 or len(call) < over + 12:
        return name
    kept = len(call) - over - 1
    return f"{head}:{call[: kept - kept // 3]}…{call[len(call) - kept // 3 :]}{colon}{mode}"


Identity = tuple[str, str, str, str, int]


def short_names(identities: Iterable[Identity]) -> dict[Identity, str]:
    """Name implementations by what tells them apart in this run.

    identities: (library, call, mode, device, threads). A name is `library:call:mode:device@threads` without
    the module prefix of the call where the rest is unique in its library, without the mode where the library
    has one, and without device and threads where the accuracy cells of the run have one of each.
    """
    known = sorted(set(identities))
    calls: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    modes: dict[str, set[str]] = defaultdict(set)
    for library, call, mode, _, _ in known:
        calls[library][_bare(call)].add(call)
        modes[library].add(mode)
    devices = {device for *_, device, _ in known}
    threads = {count for *_, count in known}
    names = {}
    for library, call, mode, device, count in known:
        bare = _bare(call)
        name = f"{library}:{bare if len(calls[library][bare]) == 1 else call}"
        name += f":{mode}" if len(modes[library]) > 1 else ""
        name += f":{device}" if len(devices) > 1 else ""
        name += f"@{count}" if len(threads) > 1 else ""
        names[library, call, mode, device, count] = name
    return names


def _bare(call: str) -> str:
    """Drop the module prefixes of the names in a call, not classes: `nn.functional.softplus` -> `softplus`."""
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", call)
