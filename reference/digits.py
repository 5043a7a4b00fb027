"""Decimal digits of exact results, as many as are asked for: what a person reads beside the rounded value.

The same formulas as the oracle's, rounded to decimal instead of to a format. The enclosure of the number must
give the same digits at both of its ends, and at two precisions one after the other.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy.typing as npt

from lossbench.reference.first import First
from lossbench.reference.form import VALUE, Form
from lossbench.reference.formats import format_of
from lossbench.reference.oracle import case_of
from lossbench.reference.real import Context, Mpf, Real

#: Bits of the working precision beyond those of the digits.
_GUARD_BITS = 64
#: Bits of the working precision that rounding errors of the formulas may have spoilt, beyond log2 K.
_ERROR_BITS = 16
#: Bits below the leading one of a head at which a tail only tells on which side of it the number lies: a head has
#: fewer than 2^12 bits, and n 2^-a 5^-b comes no closer to a decimal midpoint than that without lying on it.
_FAR = 1 << 13
#: Binary exponents up to here are turned to decimal by exact integers, larger ones by logarithms.
_NEAR = 1 << 14
#: Powers of ten that are written out rather than as an exponent.
_PLAIN = range(-5, 21)


class UnstableDigitsError(ArithmeticError):
    """No precision within reach gave the same digits twice: the number lies on, or next to, a midpoint."""


def digits(
    form: Form,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    dtype: str,
    quantity: str = VALUE,
    options: str = "",
    count: int = 30,
) -> list[str]:
    """Return the components of a quantity at one case as decimal strings of `count` significant digits.

    x: a number, or K of them for a form with a class axis; y: its label, an integer for an index, None for a
    building block. Both are rounded to `dtype` first, because that is where a library would be asked.
    The last digit is rounded to nearest, ties to even. A number that is known to end earlier is written without
    trailing zeros: "0.5" is a half, "0.500" something that rounds to it. Zero is "0", without a sign; the rest
    are "inf", "-inf" and "nan". Powers of ten outside -5..20 stand behind an "e".

    ValueError: an unknown dtype, quantity or option, an index outside 0..K-1, or count < 1.
    UnstableDigitsError: the digits are not decided at the highest precision.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, wants at least 1 digit")
    fmt = format_of(dtype)
    said = form.said(options)
    case = case_of(form, x, y, dtype, quantity, said)
    first = First(form, quantity, said, fmt)
    size = len(case.x).bit_length() if isinstance(case.x, list) else 1
    start = 4 * count + _GUARD_BITS + size
    before: list[str] = []
    decided: dict[int, str] = {}
    # numbers of a format differ by as little as 2^(emin - p), and forms are no flatter than a square
    for precision in (start, 2 * start, *((2 * (fmt.precision - fmt.emin) + 4 * start) << k for k in range(5))):
        first.mp.prec = precision
        now = [_read(first.mp, part, precision - _ERROR_BITS - size, count) for part in first.parts(case)]
        for i, (old, new) in enumerate(zip(before, now, strict=False)):
            if old == new != "":
                decided.setdefault(i, new)
        if len(decided) == len(now):
            return [decided[i] for i in range(len(now))]
        before = now
    raise UnstableDigitsError(f"{form.name} {quantity}: {count} digits are not stable at {first.mp.prec} bits")


def _integer(x: Mpf) -> tuple[int, int]:
    """Return (m, e) with x = m * 2^e."""
    sign, man, exp, _ = x._mpf_
    return (-int(man) if sign else int(man)), int(exp)


def _magnitude(m: int, e: int) -> int:
    """Exponent a with |m| 2^e < 2^a, m not zero."""
    return m.bit_length() + e


def _read(mp: Context, real: Real, error_bits: int, count: int) -> str:
    """Digits of a number whose tail is good to scale * 2^-error_bits, or "" when that does not decide them."""
    if mp.isnan(real.head) or mp.isnan(real.tail):
        return "nan"
    for part in (real.head, real.tail):
        if mp.isinf(part):
            return "inf" if part > 0 else "-inf"
    d, d_exp = _integer(real.den)
    h, h_exp = _integer(real.head)
    t, t_exp = _integer(real.tail)
    s, s_exp = _integer(real.scale)
    exact = s == 0
    radius, r_exp = int(not exact), _magnitude(s, s_exp) - error_bits
    if h and t and max(_magnitude(t, t_exp), _magnitude(s, s_exp)) < _magnitude(h, h_exp) - _FAR:
        if radius and _magnitude(t, t_exp) <= r_exp + 1:
            return ""  # not even the side is known
        t, t_exp, radius, exact = (1 if t > 0 else -1), _magnitude(h, h_exp) - _FAR, 0, False
    exponent = min((e for m, e in ((h, h_exp), (t, t_exp), (radius, r_exp)) if m), default=0)
    middle = sum(m << (e - exponent) for m, e in ((h, h_exp), (t, t_exp)) if m)
    width = radius << (r_exp - exponent) if radius else 0
    if radius and abs(middle) <= width:
        return ""  # it may be zero
    ends = {_decimal(mp, middle + side, d, exponent - d_exp, exact, count) for side in {-width, width}}
    return ends.pop() if len(ends) == 1 else ""


def _decimal(mp: Context, n: int, d: int, e: int, exact: bool, count: int) -> str:
    """n / d * 2^e, d > 0, to `count` significant digits, or "" when its logarithm does not decide them."""
    if n == 0:
        return "0"
    sign, n = ("-", -n) if n < 0 else ("", n)
    if abs(n.bit_length() - d.bit_length() + e) > _NEAR:
        whole, power = _by_logarithm(mp, n, d, e, count)
        exact = False
    else:
        r = Fraction(n, d) * (Fraction(1 << e) if e >= 0 else Fraction(1, 1 << -e))
        power = _power_of_ten(r)
        scaled = r * Fraction(10) ** (count - 1 - power)
        whole = round(scaled)  # half to even
        exact = exact and whole == scaled
    if whole == 0:
        return ""
    if whole == 10**count:
        whole, power = whole // 10, power + 1
    return sign + _written(str(whole), power, exact)


def _power_of_ten(r: Fraction) -> int:
    """floor(log10(r)) of a positive number."""
    # within one of the result; 30103 / 100000 exceeds log10(2) by 4e-9, which exponents below 2^15 do not feel
    guess = (r.numerator.bit_length() - r.denominator.bit_length()) * 30103 // 100000
    while Fraction(10) ** guess > r:
        guess -= 1
    while Fraction(10) ** (guess + 1) <= r:
        guess += 1
    return guess


def _by_logarithm(mp: Context, n: int, d: int, e: int, count: int) -> tuple[int, int]:
    """(digits as an integer, power of ten) of a number whose exponent is too large to be written out.

    The digits are 0 when the working precision does not decide them.
    """
    wide = mpmath.MPContext()
    wide.prec = mp.prec + e.bit_length()
    log = (wide.log(wide.mpf(n)) - wide.log(wide.mpf(d)) + wide.mpf(e) * wide.ln2) / wide.ln10
    power = int(wide.floor(log))
    scaled = wide.mpf(10) ** (log - power + count - 1)
    slack = wide.ldexp(1, 4 * count + _ERROR_BITS - mp.prec)
    low, high = (int(wide.floor(scaled + shift + 0.5)) for shift in (-slack, slack))
    return (low if low == high else 0), power


def _written(figures: str, power: int, exact: bool) -> str:
    """The number d.ddd * 10^power with these figures; `exact`: without trailing zeros."""
    if exact:
        figures = figures.rstrip("0")
    if power not in _PLAIN or not (exact or power < len(figures)):  # no zeros that look like digits
        return figures[0] + ("." + figures[1:] if figures[1:] else "") + f"e{power}"
    if power < 0:
        return "0." + "0" * (-power - 1) + figures
    figures = figures.ljust(power + 1, "0")
    return figures[: power + 1] + ("." + figures[power + 1 :] if figures[power + 1 :] else "")
