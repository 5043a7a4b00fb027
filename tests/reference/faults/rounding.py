"""Faults of the two roundings and of the formats."""

from __future__ import annotations

from tests.reference.copies import Fault

_ROUNDING, _BALL, _FORMATS = "reference/rounding", "reference/ball_rounding", "reference/formats"

ROUNDING = (
    Fault(_ROUNDING, "2 * rest > d or (2 * rest == d and m & 1)", "2 * rest >= d", "ties away from zero"),
    Fault(_ROUNDING, "(2 * rest == d and m & 1)", "(2 * rest == d and not m & 1)", "ties to odd"),
    Fault(
        _ROUNDING,
        "    shift = e - q\n    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)\n    m, rest = divmod(n, d)",
        "    if log2 < fmt.emin:\n"
        "        n, e = round_fraction(n, d, e, Format('wide', fmt.precision, -1 << 20, 1 << 20, 64))\n"
        "        d = 1\n"
        "    shift = e - q\n    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)\n    m, rest = divmod(n, d)",
        "a double rounding among subnormals",
    ),
    Fault(
        _ROUNDING,
        "    shift = e - q\n    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)\n    m, rest = divmod(n, d)",
        "    if fmt.precision < 53:\n"
        "        n, e = round_fraction(n, d, e, Format('float64', 53, -1022, 1023, 64))\n"
        "        d = 1\n"
        "    shift = e - q\n    n, d = (n << shift, d) if shift >= 0 else (n, d << -shift)\n    m, rest = divmod(n, d)",
        "a double rounding through float64",
    ),
    Fault(
        _ROUNDING,
        "and m & 1):\n        m += 1",
        "and m & 1):\n        m += 1\n        if m >> fmt.precision:\n            m, q = m >> 1, q + 1",
        "the ulp of the rounded number",
    ),
    Fault(_ROUNDING, "guess if n >= d << guess else guess - 1", "guess", "floor(log2) one too large"),
    Fault(_ROUNDING, "guess if n << -guess >= d else guess - 1", "guess", "floor(log2) of a fraction one too large"),
    Fault(_ROUNDING, "q = max(log2, fmt.emin) -", "q = max(log2, fmt.emin - 1) -", "emin off by one"),
    Fault(_ROUNDING, "lowest = fmt.emin - fmt.precision + 1", "lowest = fmt.emin - fmt.precision", "ulp(0) off by one"),
    Fault(_ROUNDING, "if log2 < lowest - 1:", "if log2 < lowest:", "zero up to the smallest subnormal"),
    Fault(_ROUNDING, "+ q > fmt.emax + 1 or", "+ q > fmt.emax + 2 or", "overflow a binade late"),
    Fault(_ROUNDING, "+ q > fmt.emax + 1 or", "+ q > fmt.emax or", "overflow a binade early"),
    Fault(_ROUNDING, "math.ldexp(abs(m), q) > fmt.maxfinite", "False", "the code of NaN taken for 480"),
    Fault(_ROUNDING, "rest = n - m * d  #", "rest = m * d - n  #", "the tail's sign"),
    Fault(_ROUNDING, "scale = max(0, 80 -", "scale = max(0, 8 -", "a tail of few bits"),
    Fault(_ROUNDING, "return -0.0 if n < 0 else 0.0", "return 0.0", "the sign of a zero"),
    Fault(_ROUNDING, "low != high or (m, q) != low or (m", "(m", "Ziv's test skipped"),
    Fault(_ROUNDING, " or (m == 0 and abs(middle) <= width)", "", "a zero of unknown sign"),
    Fault(
        _ROUNDING,
        "        if r_exp - _magnitude(real.den) + 1 - q > -TAIL_BITS:\n            return None\n",
        "",
        "rough tails",
    ),
    Fault(_ROUNDING, "t == 0 or _magnitude(tail) <= r_exp + 1", "t == 0", "the sign of a tail that is not known"),
    Fault(_ROUNDING, "(1 if t > 0 else -1), floor - 2, 0", "1, floor - 2, 0", "the sign of a tail far below its head"),
    Fault(_ROUNDING, "_magnitude(scale) - error_bits", "_magnitude(scale) - 2 * error_bits", "too small a radius"),
    Fault(_BALL, "if -radius <= rest - half <= radius:", "if rest == half:", "Ziv's test skipped"),
    Fault(_BALL, "elif rest > half or (rest == half and m & 1)", "elif rest >= half", "ties away from zero"),
    Fault(_BALL, "if log2 > fmt.emin and size - radius", "if log2 > fmt.emax and size - radius", "the binade below"),
    Fault(_BALL, "(size + radius).bit_length() > bits", "(size + radius).bit_length() > bits + 1", "the binade above"),
    Fault(_BALL, "q = max(log2, fmt.emin) -", "q = log2 -", "no subnormals"),
    Fault(_BALL, "return None if radius else (Rounded(0.0", "return (Rounded(0.0", "a ball around zero taken for zero"),
    Fault(_BALL, "if radius << TAIL_BITS > unit:", "if radius > unit:", "rough tails"),
    Fault(_BALL, "in_ulps = radius / unit", "in_ulps = 0.0", "a radius that claims exactness"),
    Fault(_BALL, "m, tail = -m, -tail", "m, tail = -m, tail", "the tail's sign of negative results"),
    Fault(_BALL, "(n << _SIDE) + limit.sign", "(n << _SIDE) - limit.sign", "the side of a limit flipped"),
    Fault(_BALL, "(n << _SIDE) + limit.sign", "(n << _SIDE)", "the side of a limit dropped"),
    Fault(_BALL, "signed_zero(n or limit.sign)", "signed_zero(n)", "the sign of a zero beside its limit"),
    Fault(_FORMATS, '"float16", 11, -14, 15, 16', '"float16", 11, -15, 15, 16', "emin of float16"),
    Fault(_FORMATS, '"bfloat16", 8, -126', '"bfloat16", 7, -126', "the precision of bfloat16 without its hidden bit"),
    Fault(_FORMATS, '"float32", 24, -126, 127', '"float32", 24, -126, 128', "emax of float32"),
    Fault(_FORMATS, "missing = 2 if self.finite_only else 1", "missing = 1", "480 for 448"),
    Fault(
        _FORMATS, 'float("nan") if self.finite_only else float("inf")', 'float("inf")', "an infinity of float8_e4m3fn"
    ),
    Fault(_FORMATS, "np.maximum(exponent, 1) + fmt.emin", "exponent + fmt.emin", "subnormals of the 8-bit formats"),
    Fault(_FORMATS, "value[(codes & 127) == 127] = np.nan", "pass", "a NaN of float8_e4m3fn taken for a number"),
    Fault(_FORMATS, "np.where(codes & 128, -value, value)", "value", "the sign bit of the 8-bit formats"),
    Fault(
        _FORMATS,
        "len(finite), np.where(np.isnan(wide), 127",
        "len(finite) + 1, np.where(np.isnan(wide), 127",
        "inf as NaN",
    ),
    Fault(
        _FORMATS,
        "np.rint(np.ldexp(wide, -quantum))",
        "np.trunc(np.ldexp(wide, -quantum) + np.copysign(0.5, wide))",
        "ties",
    ),
    Fault(
        _FORMATS,
        "_, exponent = np.frexp(wide)",
        "wide = wide.astype(np.float32).astype(float)\n        _, exponent = np.frexp(wide)",
        "a double rounding through float32",
    ),
    Fault(_FORMATS, "np.maximum(exponent - 1, fmt.emin)", "(exponent - 1)", "no subnormals"),
    Fault(_FORMATS, "if not np.array_equal(back, wide, equal_nan=True):", "if False:", "inputs rounded in silence"),
    Fault(_FORMATS, ">> 16).astype", ">> 15).astype", "bits of bfloat16"),
    Fault(_FORMATS, "else -(bits & ((1", "else (bits & ((1", "neighbours of negative numbers"),
    Fault(_FORMATS, "max(-limit, min(limit, line + steps))", "line + steps", "a neighbour of the largest number"),
)
