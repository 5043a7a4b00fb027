"""Faults of the second oracle: its balls, its exact cases, the sides of its limits, its labels and its sums."""

from __future__ import annotations

from tests.reference.copies import Fault

_BALLS, _LIMITS, _ROWS, _SIGNS = "reference/balls", "reference/limits", "reference/row_limits", "reference/signs"
_PROBABILITY, _RATIONALS, _SECOND = "reference/probability_limits", "reference/rationals", "reference/second"

SECOND = (
    Fault(_BALLS, "arb(b) * g - arb(a) * (1 - g)", "arb(b) * g + arb(a) * (1 - g)", "a lost sign in g - y"),
    Fault(_BALLS, "_weighted(b, (1 - g).log))", "_weighted(b, g.log))", "both terms of a binary loss alike"),
    Fault(_BALLS, "(z if y < 0 else -z).exp()", "(z if y > 0 else -z).exp()", "the margin's sign"),
    Fault(_BALLS, "residual * residual / 2", "residual * residual", "the factor 1/2 of the squared error"),
    Fault(_BALLS, "residual * (1 - 2 * g))", "residual * (1 - g))", "a wrong second derivative"),
    Fault(_BALLS, "HESS: lambda: -g * (1 - g)}", "HESS: lambda: g * (1 - g)}", "the curvature's sign"),
    Fault(_BALLS, "(arb(x) - shift for x in z)", "(arb(x) + shift for x in z)", "a shift that is added"),
    Fault(
        _BALLS,
        "log = total.log() + shift\n        return [sum(",
        "log = total.log()\n        return [sum(",
        "a lost shift",
    ),
    Fault(_BALLS, "peak * _tiny(_VANISHING_EXPONENT)", "peak * _tiny()", "what is far hides what is near"),
    Fault(_BALLS, "mass * q - arb(w) if w != 0", "q - arb(w) if w != 0", "a label mass T taken for 1"),
    Fault(_BALLS, "mass * q * (x - mean)", "mass * q * (mean - x)", "the sign of a Hessian product"),
    Fault(_BALLS, "[1 - p[0], *(-q for q in p[1:])]", "[1 - p[0], *(q for q in p[1:])]", "delta + p for delta - p"),
    Fault(
        _BALLS, "*(first * q * (2 * q - 1)", "*(first * q * (2 * first - 1)", "the wrong class in a second derivative"
    ),
    Fault(_BALLS, "rational(b if z > 0 else a)", "rational(a if z > 0 else b)", "a swapped label far out"),
    Fault(_BALLS, "product *= q if label == 1 else 1 - q", "product *= q if label == 0 else 1 - q", "swapped labels"),
    Fault(_BALLS, "(arb(x) / mass).log()", "arb(x).log()", "normalized that does not normalize"),
    Fault(_BALLS, "[ball / len(z) for ball in outputs]", "outputs", "the sum over outputs for the mean"),
    Fault(_BALLS, "return -(_weighted(a, x.log)", "return (_weighted(a, x.log)", "log p for -log p"),
    Fault(_LIMITS, "FAR = 4096.0", "FAR = 64.0", "a threshold that drops tails"),
    Fault(_LIMITS, "FAR = 4096.0", "FAR = 1e9", "a threshold beyond what balls reach"),
    Fault(_LIMITS, "FAR_EXPONENT = -5900", "FAR_EXPONENT = -30", "a bound of what is far that is too wide"),
    Fault(_LIMITS, "else times(a, -z), side)", "else times(a, -z), -side)", "the side of a loss beside its limit"),
    Fault(_LIMITS, "Limit(rational(b), -side) if", "Limit(rational(b), side) if", "a gradient above its limit"),
    Fault(
        _LIMITS, "side = 0 if math.isinf(z) else sign(mass)", "side = sign(mass)", "an exact limit at infinity missed"
    ),
    Fault(
        _LIMITS,
        "    if z == 0:\n        if quantity == VALUE",
        "    if z is None:\n        if quantity == VALUE",
        "z = 0",
    ),
    Fault(_LIMITS, "d * d / 2, finite * (1 if d == 0 else -1)", "d * d / 2, finite * -1", "u^2/2 < 0"),
    Fault(_LIMITS, "HESS: fmpq(1, 16)", "HESS: fmpq(1, 8)", "a second derivative at 0"),
    Fault(_LIMITS, "0 if math.isinf(z) else (-1 if", "0 if math.isinf(z) else (-1 if not", "the sign of g'' far out"),
    Fault(_LIMITS, "negated(bce(quantity, z, 1.0, 0.0))", "bce(quantity, z, 1.0, 0.0)", "log g for -log g"),
    Fault(_LIMITS, "positive = labels.plain > 0", "positive = labels.plain < 0", "-1 and +1 swapped"),
    Fault(_LIMITS, "Limit(-found.value, -found.sign)", "Limit(-found.value, found.sign)", "a side"),
    Fault(
        _ROWS, "return Limit(sum(gaps, ZERO), int(row.far))", "return Limit(sum(gaps, ZERO), -int(row.far))", "the side"
    ),
    Fault(_ROWS, "return Limit(sum(gaps, ZERO), int(row.far))", "return Limit(sum(gaps, ZERO))", "a lost enclosure"),
    Fault(_ROWS, "any(FAR < g < math.inf for g", "any(FAR < g for g", "a masked class taken for a far one"),
    Fault(
        _ROWS,
        "return p * (1 - p), 1 if n == 1 else -1",
        "return p * (1 - p), -1",
        "the tail's side of one leading class",
    ),
    Fault(
        _ROWS, "-sign(1 - 6 * p + 6 * p * p)", "sign(1 - 6 * p + 6 * p * p)", "the tail's side of a third derivative"
    ),
    Fault(
        _ROWS, "found.append(Limit(-label, turned))", "found.append(Limit(-label))", "a lost enclosure of a far class"
    ),
    Fault(_ROWS, "row.gone(k) or mass == 0 or not any(sums)", "row.gone(k) or mass == 0", "an exact zero not noticed"),
    Fault(_ROWS, "Limit(mass * first / (n * n),", "Limit(mass * first / n,", "a wrong limit of a Hessian product"),
    Fault(
        _ROWS,
        "far * (1 if n == 3 else -sign(3 * p - 1))",
        "far * -sign(3 * p - 1)",
        "a first order that vanishes at n = 3",
    ),
    Fault(_ROWS, "Limit(ZERO, _majority(z, row))", "Limit(ZERO, 1)", "2p - 1 taken for positive"),
    Fault(_ROWS, "decided = row.count == 1 and not row.near", "decided = not row.near", "log 2 of a tie forgotten"),
    Fault(_ROWS, "return Limit(value, -int(row.far))", "return Limit(value, int(row.far))", "log p above its limit"),
    Fault(
        _ROWS,
        "    if any(part is not None and part.value == math.inf for part in parts):\n        return Limit(math.inf)\n",
        "",
        "an infinite output",
    ),
    Fault(_ROWS, "Limit(part.value / len(z), part.sign)", "part", "the sum over outputs for the mean"),
    Fault(_ROWS, "else Limit(product, -int(shrinks))]", "else Limit(product, int(shrinks))]", "a likelihood above 1"),
    Fault(_ROWS, "fmpq(1, 2**zeros)", "fmpq(1)", "factors of 1/2 at logits of 0"),
    Fault(_ROWS, "lost = min(margins) < -FAR", "lost = False", "a vanished likelihood"),
    Fault(_ROWS, "(1 if m < 0 else -1)", "(1 if m > 0 else -1)", "the sign of a vanished curvature"),
    Fault(_SIGNS, "return 1 if ball > 0 else -1", "return -1 if ball > 0 else 1", "a sign of a sum"),
    Fault(_SIGNS, "not turns or turns[0] != 0", "True", "a first order that vanishes taken for exact"),
    Fault(_SIGNS, "- 2 * first * size for", "- first * size for", "the square of n + S"),
    Fault(
        _PROBABILITY, "if quantity == GRAD and x == 0", "if quantity == GRAD", "the sign of an infinite gradient at 1"
    ),
    Fault(_PROBABILITY, "Limit(right - left if", "Limit(left - right if", "the sign of (p - y) / (p (1 - p))"),
    Fault(_PROBABILITY, "(mass if quantity == GRAD else mass * mass)", "mass", "1/Q for 1/Q^2"),
    Fault(_PROBABILITY, "        if 0 in asked:\n            return [Limit(math.inf)]\n", "", "log 0 left to balls"),
    Fault(
        _RATIONALS,
        "positive = rational(y) * (1 - eps) + eps / 2",
        "positive = rational(y) * (1 - eps) + eps",
        "eps for eps / 2",
    ),
    Fault(_RATIONALS, "eps / (size - 1) * (1", "eps / size * (1", "K for K - 1"),
    Fault(_RATIONALS, "+ eps / size for", "+ eps / (size - 1) for", "K - 1 for K"),
    Fault(_RATIONALS, "positive = rational(c[k]", "negative = rational(c[k]", "pos_weight in place of 1 - y"),
    Fault(
        _RATIONALS,
        "zip(options.weight, weights, strict=True)",
        "zip(options.weight, y, strict=True)",
        "weights without smoothing",
    ),
    Fault(_RATIONALS, "(rational(w) * rational(x) for w, x", "(rational(w) for w, x", "all class weights in sum_w"),
    Fault(_SECOND, "fmpq(len(mean.kept))", "fmpq(len(mean.cases))", "ignored rows in the denominator"),
    Fault(
        _SECOND,
        "        if case.ignored:\n            size",
        "        if False:\n            size",
        "ignore_index not ignored",
    ),
    Fault(_SECOND, "limit.value * factor.value, limit.sign)", "limit.value * factor.value)", "a weighted limit's side"),
    Fault(_SECOND, "kind = EXACT if limit.sign == 0 else ENCLOSURE", "kind = EXACT", "an enclosure called exact"),
    Fault(
        _SECOND,
        "ball += self._balls(case, labels)[i] * arb(factor.value)",
        "ball += self._balls(case, labels)[i]",
        "weights",
    ),
    Fault(_SECOND, "answers[i] * arb(factor.value)", "answers[i]", "the weights of a gradient"),
    Fault(
        _SECOND,
        "_settled(Limit(special), self.fmt)",
        "_settled(Limit(abs(special)), self.fmt)",
        "the sign of an infinite sum",
    ),
)
