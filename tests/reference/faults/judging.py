"""Faults of the referee, of the front door, and of how cases, options and arguments are read."""

from __future__ import annotations

from tests.reference.copies import Fault

_REFEREE, _ORACLE, _CASE = "reference/referee", "reference/oracle", "reference/case"
_OPTIONS, _CHECK, _FORM, _CONTRACT = "reference/options", "reference/check", "reference/form", "reference/contract"

JUDGING = (
    Fault(_REFEREE, "if not agree(one, other):", "if False:", "a referee that does not compare"),
    Fault(
        _REFEREE,
        "        first.ulp_exponent == other.ulp_exponent\n        and abs",
        "        True or abs",
        "only values compared",
    ),
    Fault(_REFEREE, "first.ulp_exponent == other.ulp_exponent\n", "True\n", "ulps not compared"),
    Fault(_REFEREE, "<= second.certificate.radius + FIRST_RADIUS", "<= 1.0", "any tail will do"),
    Fault(
        _REFEREE,
        "FIRST_RADIUS = 2.0**-TAIL_BITS",
        "FIRST_RADIUS = 2.0**-TAIL_BITS * 2**30",
        "a tolerance that is too wide",
    ),
    Fault(_REFEREE, "first.value != other.value or math", "math", "a referee that compares signs"),
    Fault(_REFEREE, " or math.copysign(1, first.value) != math.copysign(1, other.value)", "", "signs of zeros"),
    Fault(
        _REFEREE,
        "if math.isnan(first.value) or math.isnan(other.value):\n        return math.isnan(first.value) and",
        "if math.isnan(first.value) or math.isnan(other.value):\n        return math.isnan(first.value) or",
        "NaN is anything",
    ),
    Fault(
        _REFEREE, "second, case) if check else second", "second, case) if not check else second", "checks turned around"
    ),
    Fault(
        _REFEREE,
        "        if not check:\n            return second\n",
        "        return second\n",
        "sums that are not checked",
    ),
    Fault(
        _REFEREE,
        "enumerate(zip(first, second, strict=True))",
        "enumerate(zip(first[:1], second))",
        "one component is compared",
    ),
    Fault(
        _REFEREE,
        "_replace(oracles=BOTH)) for one in second]",
        "_replace()) for one in second]",
        "a certificate without O1",
    ),
    Fault(_ORACLE, 'denominator == "sum_w") if', 'denominator == "N") if', "denominators swapped"),
    Fault(_ORACLE, "check=i % check_every == 0", "check=i % check_every == 1", "the first case is not checked"),
    Fault(_ORACLE, "[one.rounded.tail for one in flat]", "[-one.rounded.tail for one in flat]", "the tail's sign"),
    Fault(_ORACLE, 'if reduction == "mean" else None', 'if reduction != "none" else None', "a sum that is divided"),
    Fault(
        _ORACLE, "KINDS.index(c.kind), ORACLES.index(c.oracles)", "0, ORACLES.index(c.oracles)", "everything is exact"
    ),
    Fault(_ORACLE, "c.precision, c.radius)", "c.precision, 0.0)", "a radius that is not handed on"),
    Fault(_CASE, "and b == options.ignore_index)", "and b != options.ignore_index)", "the other rows are ignored"),
    Fault(_CASE, "and b == options.ignore_index)", "and False)", "no row is ignored"),
    Fault(_ORACLE, "values & (alike | ~np", "values | (alike | ~np", "bulk results that always agree"),
    Fault(_ORACLE, "(one.ulp_exponent == other.ulp_exponent) & (np", "(np", "ulps not compared in bulk"),
    Fault(_ORACLE, "<= slack)", "<= 1.0)", "any tail will do in bulk"),
    Fault(_ORACLE, "(np.isnan(one.value) & np.isnan(", "(np.isnan(one.value) | np.isnan(", "NaN is anything in bulk"),
    Fault(_ORACLE, " & (np.signbit(one.value) == np.signbit(other.value))", "", "signs of zeros in bulk"),
    Fault(_CASE, "float(k == self.y)", "float(k + 1 == self.y)", "classes counted from 1"),
    Fault(
        _CASE, "for case in self.cases if not case.ignored", "for case in self.cases", "ignored rows count in a mean"
    ),
    Fault(_CASE, "else sample_weight.tolist()", "else [1.0] * len(inputs)", "sample weights that nobody reads"),
    Fault(_FORM, "[eighth / 8.0 for", "[eighth / 4.0 for", "a direction twice as long"),
    Fault(_FORM, "key=size)", "key=size + 1)", "another direction"),
    Fault(
        _FORM,
        "self.class_axis and (self.vector_value or quantity != VALUE)",
        "self.class_axis and quantity != VALUE",
        "a vector taken for a number",
    ),
    Fault(_OPTIONS, "sorted(self.named().items())", "self.named().items()", "options in any order"),
    Fault(_OPTIONS, "';'.join(map(repr", "','.join(map(repr", "lists that cannot be read again"),
    Fault(_OPTIONS, 'numbers if name == "weight" or', "numbers if", "one class weight as a number"),
    Fault(_OPTIONS, "and 0 <= number < math.inf)", "and number < math.inf)", "negative weights"),
    Fault(
        _OPTIONS, "if not 0 <= self.label_smoothing <= 1:", "if not 0 <= self.label_smoothing:", "smoothing beyond 1"
    ),
    Fault(_OPTIONS, "if name not in accepted:", "if False:", "options that the form does not have"),
    Fault(_OPTIONS, 'smoothing: str = "K"', 'smoothing: str = "K-1"', "the default of smoothing"),
    Fault(_CHECK, "out = (array < 0) | (", "out = (", "the label -1 wraps"),
    Fault(_CHECK, "(array >= x.shape[1])", "(array > x.shape[1])", "one class too many"),
    Fault(_CHECK, "~((wide >= 0) & np.isfinite(wide))", "~np.isfinite(wide)", "negative sample weights"),
    Fault(_CHECK, '(x < 0) | (x > 1), "prob', '(x < 0), "prob', "probabilities beyond 1"),
    Fault(
        _CHECK,
        'options.smoothing == "K-1" and classes == 1',
        'options.smoothing == "K-1" and classes == 0',
        "K - 1 = 0",
    ),
    Fault(
        _CONTRACT,
        '("sigmoid_bce", inf, 0.5, inf, 1)',
        '("sigmoid_bce", inf, 0.5, nan, 1)',
        "a rule: 0 * inf where a soft label is",
    ),
    Fault(
        _CONTRACT,
        '("softmax_xent", [-inf, 0.0], 0, [-1.0, 1.0], 3)',
        '("softmax_xent", [-inf, 0.0], 0, [0.0, 1.0], 3)',
        "a rule",
    ),
)
