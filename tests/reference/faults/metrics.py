"""Faults of the scores: categories, their order, the unit, flushing, and the case that is shown."""

from __future__ import annotations

from tests.reference.copies import Fault

_METRICS = "harness/metrics"
_LOST = '    codes[(got == 0) & (want != 0)] = _CODE["LOST"]\n'
_NEGATIVE = '    if nonnegative:\n        codes[got < 0] = _CODE["NEG_LOSS"]\n'
_MISSED = '    codes[np.isinf(want) & (got != want)] = _CODE["MISSED_INF"]\n'
_SPURIOUS = '    codes[np.isnan(got)] = _CODE["SPURIOUS_NAN"]\n'
_BOTH = '    codes[np.isnan(got) & np.isnan(want)] = _CODE["CR"]\n'

METRICS = tuple(
    Fault(_METRICS, old, new, what)
    for old, new, what in (
        ("codes[ulps < 1]", "codes[ulps <= 1]", "an ulp is faithful"),
        ("codes[got == want]", "codes[ulps <= 0.5]", "both sides of a tie are right"),
        (_LOST + _MISSED, _MISSED + _LOST, "a zero for an infinity is lost"),
        (_NEGATIVE + _LOST, _LOST + _NEGATIVE.replace("got < 0", "got <= 0"), "a negative loss before a lost one"),
        (_NEGATIVE, "", "no negative losses"),
        ("if nonnegative:", "if True:", "negative gradients are negative losses"),
        ("np.sign(got) * np.sign(want) < 0", "np.sign(got) * np.sign(want) <= 0", "a zero has the wrong sign"),
        ("(got == 0) & (want != 0)", "got == 0", "every zero is lost"),
        ("np.isinf(want) & (got != want)", "np.isinf(want) & np.isfinite(got)", "the other infinity"),
        ("np.isinf(got) & np.isfinite(want)", "np.isinf(got)", "every infinity is spurious"),
        (_SPURIOUS + _BOTH, _BOTH + _SPURIOUS, "no NaN is right"),
        (
            'codes[np.isnan(want)] = _CODE["MISSED_NAN"]\n',
            'codes[np.isnan(want) & np.isfinite(got)] = _CODE["MISSED_NAN"]\n',
            "an infinity for NaN",
        ),
        ("np.abs(in_ulps - exact.tail)", "np.abs(in_ulps)", "errors from the rounded reference"),
        ("np.abs(in_ulps - exact.tail)", "np.abs(in_ulps + exact.tail)", "the tail's sign"),
        ("np.abs(in_ulps - exact.tail)", "in_ulps - exact.tail", "errors with a sign"),
        (
            "np.where(big, 2, 0) - exact.ulp_exponent)",
            "np.where(big, 2, 0) - np.frexp(got)[1] + 24)",
            "the ulp of the result",
        ),
        (
            "np.where(big, 2, 0) - exact.ulp_exponent)",
            "np.where(big, 2, 0) - np.maximum(np.frexp(exact.value)[1], -125) + 24)",
            "the ulp of the rounded reference",
        ),
        ("> 2.0**1000", "> np.inf", "a difference that overflows"),
        ("np.where(finite, ulps, np.nan)", "ulps", "errors where there is none"),
        ("< fmt.tiny)", "<= fmt.tiny)", "the smallest normal number may be flushed"),
        ("flushed = (got == 0) & (", "flushed = (", "any error among subnormals is forgiven"),
        ("np.where(flushed, 0.0, scores.ulps)", "scores.ulps", "flushing costs what it is forgiven"),
        ("keep = ~subnormal_input", "keep = subnormal_input", "only subnormal inputs are scored"),
        ("-exact.ulp_exponent) + exact.tail)", "-exact.ulp_exponent))", "relative to the rounded reference"),
        ("np.where(size > 0, relative, np.nan)", "relative", "a relative error of zero"),
        ("2.0 ** (fmt.precision / 2)", "2.0 ** (fmt.precision // 2 - 1)", "half of the digits"),
        ("first[np.argmin(", "first[np.argmax(", "the wildest input of a defect"),
        ("self.codes == self.codes.min()", "self.codes < len(BAD)", "any defect is shown"),
        ("nan=np.inf, posinf", "nan=0.0, posinf", "NaN is mild"),
        ("self.codes < len(BAD)", "self.codes <= len(BAD)", "rounding correctly is a defect"),
    )
)
