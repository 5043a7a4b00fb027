"""Bugs that other libraries had, planted in the native code one at a time.

Each names the module, the text that is replaced and its replacement, and the question of test_mutants that must
notice. Where a module's formula is the same for NumPy and for kernels, NumPy is asked, which compiles nothing; bugs
of kernels in float32 arithmetic are looked for where there are such kernels.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A planted bug."""

    name: str
    module: str
    old: str
    new: str
    question: str
    engine: str = "numpy"


MUTANTS = (
    Mutant(
        "log of 1 + exp(-m), unbranched",
        "binary",
        "    return log1p_of(odds(e).u) + pair.where(m > 0.0, 0.0, -m)",
        "    return log_of_sum(1.0, m)",
        "margin_logistic",
    ),
    Mutant(
        "log of the sigmoid",
        "binary",
        "    return -log1p_of(odds(e).u) - e.larger(-e.z, 0.0)",
        "    return log_of(sigmoid(e))",
        "log_sigmoid",
    ),
    Mutant(
        "no shift",
        "categorical",
        "        self.m = row.maximum()",
        "        self.m = 0.0 * row.maximum()",
        "softmax_xent",
    ),
    Mutant(
        "gradient g - y",
        "binary",
        "    return residual(e, e.weighted(odds(e).inverse))",
        "    return sigmoid(e) - e.label",
        "sigmoid_bce",
    ),
    Mutant(
        "gradient p_t - 1",
        "categorical",
        "s.rest.times(-inverse), s.row.kept(e).times(inverse))",
        "pair.rounded(s.probability(e)) - 1.0, s.row.kept(e).times(inverse))",
        "softmax_xent",
    ),
    Mutant(
        "probability clipped to eps, 1 - eps",
        "probability",
        "(e.z > 1.0), np.nan, e.z + 0.0))",
        "(e.z > 1.0), np.nan, np.clip(e.z, 1e-20, 1 - 1e-20)))",
        "prob_bce",
    ),
    Mutant(
        "log clamped at -100",
        "probability",
        "    return hit + miss + 0.0",
        "    return clamped(hit) + clamped(miss)",
        "prob_bce",
    ),
    Mutant(
        "zero times infinity",
        "categorical",
        "        return pair.where(is_zero(y), 0.0, y * self._gap(e.z))",
        "        return y * self._gap(e.z)",
        "softmax_xent",
    ),
    Mutant(
        "no guard for a row of -inf",
        "arrays",
        "np.isnan(m) | np.isneginf(m) | twice",
        "np.isnan(m) | twice",
        "softmax_xent",
    ),
    Mutant(
        "mean over ignored rows",
        "work",
        "kept = self.cases if y.ignored is None else self.cases - int(np.count_nonzero(y.ignored))",
        "kept = self.cases",
        "ignored",
    ),
    Mutant(
        "labels of a repeated call unchecked",
        "plan",
        "            numbers[_CHECK] = how",
        "            numbers[_CHECK] = 0",
        "refusals",
        "numba",
    ),
    Mutant(
        "smoothing at the target alone",
        "categorical",
        "self.linear = sums[0] * u.off +",
        "self.linear = sums[0] * 0.0 +",
        "smoothing",
        "numba",
    ),
    Mutant(
        "a smoothed label that is all there is",
        "options",
        'return "smoothed" if a.high[0] >= a.high[1] else "spared", np',
        'return "smoothed", np',
        "spared",
        "numba",
    ),
    Mutant("far rows beside near ones", "columns", "far = (~near).code", "far = (near & ~near).code", "tail", "numba"),
    Mutant(
        "groups of a sum added up in part",
        "total",
        "parts = [*high.tolist(), *low.tolist()]",
        "parts = [*high.tolist()[:-1], *low.tolist()]",
        "sum",
        "numba",
    ),
    Mutant(
        "ignored rows counted by a kernel",
        "mass",
        'b.icmp_signed("!=", index.code, memory.ignore) if ignores else ir.Constant(I1, 1)',
        "ir.Constant(I1, 1)",
        "ignored",
        "numba",
    ),
    Mutant(
        "pos_weight of the label 0",
        "reader",
        "self.trace.where(one, self._of_one(place, mask), 1.0)",
        "self.trace.where(one, 1.0, self._of_one(place, mask))",
        "pos_weight",
        "numba",
    ),
    Mutant(
        "cotangents in place of sample weights",
        "reader",
        "factor = given if factor is None else given * factor",
        "factor = given",
        "cotangents",
        "numba",
    ),
    Mutant(
        "a mean's gradient divided by the number of rows",
        "mass",
        "written.append((memory.factor, 1.0 / whole))",
        "written.append((memory.factor, 1.0 / pair.as_pair(Lane(trace, b.sitofp(memory.stop, F64)))))",
        "denominator of the gradient",
        "numba",
    ),
    Mutant(
        "rows turned around without the last ones",
        "columns",
        'b.select(b.icmp_signed("<", row, last), row, last) for row in rows',
        "memory.start for row in rows",
        "softmax_xent",
        "numba",
    ),
    Mutant("weights divided by N", "work", 'if self.options.denominator == "N" or', "if True or", "denominator"),
    Mutant(
        "smoothing mass over K - 1",
        "options",
        "pair.as_pair(np.float64(self.eps)) / np.float64(classes)\n",
        "pair.as_pair(np.float64(self.eps)) / np.float64(classes - 1)\n",
        "smoothing",
    ),
    Mutant("label -1 wraps", "check", "good = (y >= 0) & (y < classes)", "good = y < classes", "refusals"),
    Mutant(
        "label -1 wraps in a kernel",
        "verify",
        'return b.icmp_unsigned(">=", code',
        'return b.icmp_signed(">=", code',
        "refusals",
        "numba",
    ),
    Mutant(
        "(N,) against (N,1)",
        "check",
        "    if array.shape != shape:\n        raise",
        "    if array.size != np.prod(shape):\n        raise",
        "refusals",
    ),
    Mutant(
        "running sum in float32",
        "total",
        "        self._sum = self._sum + over_cases(Pair(high, low))",
        "        running = np.cumsum(np.append(self._sum.high, high).astype(np.float32), dtype=np.float32)\n"
        "        self._sum = Pair(np.float64(running[-1]), 0.0)",
        "sum",
    ),
    Mutant(
        "softplus is x above 20",
        "binary",
        "    return log1p_of(odds(e).u) + e.larger(e.z, 0.0)",
        "    return pair.where(e.z > 20.0, e.number(e.z), log1p_of(odds(e).u) + e.larger(e.z, 0.0))",
        "softplus",
    ),
    Mutant(
        "another exp in the tail of a vector",
        "loops",
        "    body(i, b.icmp_signed",
        "    trace.fused = lambda a, b, c: a * b + c\n    body(i, b.icmp_signed",
        "alone",
        "numba",
    ),
    Mutant(
        "gradient not silenced by the infinite logit",
        "binary",
        "pair.where(is_zero(weight), 0.0, weight * _size(e.z))",
        "weight * _size(e.z)",
        "sigmoid_bce",
    ),
    Mutant(
        "what exp rounds away",
        "floatfloat",
        "left = fused(t, r, t - high)",
        "left = 0.0 * t",
        "sigmoid",
        "float32 arithmetic",
    ),
    Mutant(
        "what the table of exp lacks",
        "floatfloat",
        "fused(k, -c.EIGHTH[1], rest)",
        "k * -c.EIGHTH[1]",
        "softplus",
        "float32 arithmetic",
    ),
    Mutant(
        "what the product with the inverse lacks",
        "floatfloat",
        "rest = fused(u.low, inverse, lost)",
        "rest = 0.0 * lost",
        "margin_logistic",
        "float32 arithmetic",
    ),
    Mutant(
        "a quotient without its correction",
        "floatfloat",
        "return Pair(inverse, rest * inverse), power",
        "return Pair(inverse, 0.0 * rest), power",
        "sigmoid",
        "float32 arithmetic",
    ),
    Mutant(
        "an exp above 1 added as if it were below",
        "floatfloat",
        "large = power.high > 1.0",
        "large = power.high > 1e30",
        "sigmoid",
        "float32 arithmetic",
    ),
    Mutant(
        "what is lost of 1 + exp(m)",
        "doubledouble",
        "fused(power, r, base - total)) + lost",
        "fused(power, r, base - total)) + 0.0 * lost",
        "sigmoid",
        "numba",
    ),
    Mutant(
        "logits that float32 arithmetic is too short for",
        "floatfloat",
        "LOWEST, LOWEST_WEIGHTED = -80.0, -60.0",
        "LOWEST, LOWEST_WEIGHTED = -100.0, -100.0",
        "softplus",
        "float32 arithmetic",
    ),
    Mutant(
        "soft labels taken for hard ones",
        "margin",
        "self.good = self.good & (y * y == margin.square(y))",
        "self.good = self.good & (y * y == y * y)",
        "soft labels",
        "float32 arithmetic",
    ),
    Mutant(
        "Ziv's test without the error of exp",
        "near",
        "EXP = 2.0**-28.9 + 2.0**-33",
        "EXP = 0.0",
        "at once",
        "numba",
    ),
    Mutant(
        "Ziv's test with the range of one vector",
        "ziv",
        "b.store(b.or_(b.load(seen, typ=kind), bits), seen)",
        "b.store(bits, seen)",
        "at once",
        "numba",
    ),
    Mutant(
        "what the quotient of atanh lacks",
        "doubledouble",
        "fused(-s, total, u.high) + u.low) * inverse",
        "0.0 * u.low) * inverse",
        "softplus",
        "numba",
    ),
    Mutant(
        "logits whose exp is not normal",
        "doubledouble",
        "LOWEST, LOWEST_WEIGHTED = -660.0, -600.0",
        "LOWEST, LOWEST_WEIGHTED = -760.0, -760.0",
        "softplus",
        "numba",
    ),
    Mutant(
        "digits of a logarithm of exps lost where it cancels",
        "categorical",
        "return ~(lanes.size(pair.high(log)) < 0.5 * lanes.size(s.m))",
        "return ~(lanes.size(pair.high(log)) < 0.0)",
        "cancelled",
        "numba",
    ),
    Mutant("any lone label taken for 1", "hot", "(label == 1.0).code", "(label != 0.0).code", "lone label", "numba"),
    Mutant("subnormal tails lost", "elementary", "_LOWEST_PAIR = -1400.0", "_LOWEST_PAIR = -708.0", "softplus"),
    Mutant("one row's sum not scaled up", "arrays", "_SMALL = 2.0**-900", "_SMALL = 0.0", "tail"),
)

#: what the replacements use, appended to the mutated module
HELPERS = {
    "binary": """

def log_of(x):
    import numpy as np
    return np.log(pair.rounded(x))


def log_of_sum(one, m):
    import numpy as np
    return np.log(one + np.exp(-m))
""",
    "probability": """

def clamped(x):
    return np.minimum(pair.rounded(x), 100.0)
""",
}
