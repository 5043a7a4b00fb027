"""The contract at special values: what every form is at infinities, NaN, masks, zero weights and degenerate rows.

Rules, of which the table holds the consequences:

1. At an infinite input a result is its limit where that is unique, else NaN. NaN in gives NaN out.
2. A zero label or weight selects: its term is 0 even when it is infinite, but NaN stays NaN.
3. A class at -inf is masked: dropped, with gradient +0. As a label with weight it gives +inf.
4. One class at +inf is certain; two at +inf, or none left, have no softmax: NaN.
5. A row whose label is `ignore_index` gives 0, value and gradient, whatever it holds.
6. A mean divides by the kept rows ("N") or by the sum of their weights ("sum_w"). Where that is zero it is 0: a
   batch that asks for nothing costs nothing. Over no rows at all a sum is 0 and a mean is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lossbench.reference.form import GRAD, HESS, VALUE

inf, nan = math.inf, math.nan
_LOG2 = 0.6931471805599453
_LOG3 = 1.0986122886681098


@dataclass(frozen=True)
class Rule:
    """What a quantity of a form must be at one case; `want` is a number or one a component, before rounding."""

    form: str
    x: Any
    y: Any
    want: Any
    rule: int
    quantity: str = VALUE
    options: str = ""


def _values(*rows: tuple[Any, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(*row) for row in rows)


def _others(quantity: str, *rows: tuple[Any, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(form, x, y, want, rule, quantity, "".join(more)) for form, x, y, want, rule, *more in rows)


CONTRACT: tuple[Rule, ...] = (
    *_values(
        ("sigmoid", inf, None, 1.0, 1),
        ("sigmoid", -inf, None, 0.0, 1),
        ("sigmoid", nan, None, nan, 1),
        ("sigmoid", -0.0, None, 0.5, 1),
        ("softplus", inf, None, inf, 1),
        ("softplus", -inf, None, 0.0, 1),
        ("softplus", nan, None, nan, 1),
        ("softplus", -0.0, None, _LOG2, 1),
        ("log_sigmoid", -inf, None, -inf, 1),
        ("log_sigmoid", inf, None, 0.0, 1),
        ("log_sigmoid", nan, None, nan, 1),
        ("sigmoid_bce", inf, 1.0, 0.0, 2),
        ("sigmoid_bce", inf, 0.0, inf, 1),
        ("sigmoid_bce", inf, 0.5, inf, 1),
        ("sigmoid_bce", -inf, 0.0, 0.0, 2),
        ("sigmoid_bce", -inf, 1.0, inf, 1),
        ("sigmoid_bce", -inf, 0.5, inf, 1),
        ("sigmoid_bce", nan, 0.0, nan, 1),
        ("sigmoid_bce", nan, 1.0, nan, 1),
        ("sigmoid_bce", 1.0, nan, nan, 1),
        ("sigmoid_bce", inf, nan, nan, 1),
        ("sigmoid_bce", -0.0, 1.0, _LOG2, 1),
        ("sigmoid_bce", -inf, 1.0, 0.0, 2, VALUE, "pos_weight=0.0"),
        ("sigmoid_bce", nan, 1.0, nan, 2, VALUE, "pos_weight=0.0"),
        ("sigmoid_bce", inf, 1.0, inf, 1, VALUE, "label_smoothing=0.5"),
        ("margin_logistic", inf, 1.0, 0.0, 1),
        ("margin_logistic", inf, -1.0, inf, 1),
        ("margin_logistic", -inf, 1.0, inf, 1),
        ("margin_logistic", -inf, -1.0, 0.0, 1),
        ("margin_logistic", nan, 1.0, nan, 1),
        ("margin_logistic", 0.0, nan, nan, 1),
        ("sigmoid_mse", inf, 0.0, 0.5, 1),
        ("sigmoid_mse", inf, 1.0, 0.0, 1),
        ("sigmoid_mse", -inf, 0.5, 0.125, 1),
        ("sigmoid_mse", nan, 0.5, nan, 1),
        ("softmax_xent", [inf, 0.0], 0, 0.0, 4),
        ("softmax_xent", [inf, 0.0], 1, inf, 4),
        ("softmax_xent", [inf, inf], 0, nan, 4),
        ("softmax_xent", [-inf, -inf], 0, nan, 4),
        ("softmax_xent", [-inf, 0.0, 0.0], 1, _LOG2, 3),
        ("softmax_xent", [-inf, 0.0], 0, inf, 3),
        ("softmax_xent", [-inf, 0.0], 1, 0.0, 3),
        ("softmax_xent", [0.0, -inf], [1.0, 0.0], 0.0, 2),
        ("softmax_xent", [0.0, -inf], [0.5, 0.5], inf, 3),
        ("softmax_xent", [0.0, nan], [1.0, 0.0], nan, 1),
        ("softmax_xent", [0.0, nan], 0, nan, 1),
        ("softmax_xent", [0.0, 1.0], [1.0, nan], nan, 1),
        ("softmax_xent", [0.0, 1.0], [0.0, 0.0], 0.0, 2),
        ("softmax_xent", [7.0], 0, 0.0, 1),
        ("softmax_xent", [-inf], 0, nan, 4),
        ("softmax_xent", [-8.0, -8.0], 1, _LOG2, 1),
        ("softmax_xent", [32768.0, 32768.0], 0, _LOG2, 1),
        ("softmax_xent", [-32768.0, -32768.0, -32768.0], 0, _LOG3, 1),
        ("softmax_xent", [nan, 0.0], -100, 0.0, 5, VALUE, "ignore_index=-100"),
        ("softmax_xent", [0.0, -inf], 1, 0.0, 2, VALUE, "weight=1.0;0.0"),
        ("softmax_xent", [0.0, -inf], 0, inf, 3, VALUE, "label_smoothing=0.5"),
        ("logsumexp", [-inf, -inf], None, -inf, 1),
        ("logsumexp", [inf, inf], None, inf, 1),
        ("logsumexp", [-inf, inf], None, inf, 1),
        ("logsumexp", [nan, inf], None, nan, 1),
        ("logsumexp", [-inf, 3.0], None, 3.0, 3),
        ("softmax", [-inf, 0.0], None, [0.0, 1.0], 3),
        ("softmax", [inf, 0.0], None, [1.0, 0.0], 4),
        ("softmax", [inf, inf], None, [nan, nan], 4),
        ("softmax", [-inf, -inf], None, [nan, nan], 4),
        ("softmax", [nan, 0.0], None, [nan, nan], 1),
        ("softmax", [5.0], None, [1.0], 1),
        ("softmax", [32768.0, 32768.0], None, [0.5, 0.5], 1),
        ("log_softmax", [-inf, 0.0], None, [-inf, 0.0], 3),
        ("log_softmax", [inf, 0.0], None, [0.0, -inf], 4),
        ("log_softmax", [-inf, -inf], None, [nan, nan], 4),
        ("prob_bce", 0.0, 0.0, 0.0, 2),
        ("prob_bce", 0.0, 1.0, inf, 1),
        ("prob_bce", 1.0, 1.0, 0.0, 2),
        ("prob_bce", 1.0, 0.0, inf, 1),
        ("prob_bce", 1.0, 0.5, inf, 1),
        ("prob_bce", nan, 1.0, nan, 1),
        ("prob_xent", [0.0, 1.0], [0.0, 1.0], 0.0, 2),
        ("prob_xent", [0.0, 1.0], [0.5, 0.5], inf, 1),
        ("prob_xent", [0.0, 1.0], 0, inf, 1),
        ("prob_xent", [0.0, 0.0], 0, nan, 1, VALUE, "normalized"),
        ("prob_xent", [0.0, 0.25], 1, 0.0, 1, VALUE, "normalized"),
        ("bernoulli_likelihood", [inf, -inf], [1.0, 0.0], 1.0, 1),
        ("bernoulli_likelihood", [inf, 3.0], [0.0, 1.0], 0.0, 1),
        ("bernoulli_log_likelihood", [inf, 0.0], [0.0, 1.0], -inf, 1),
        ("multilabel_bce", [inf, -inf], [1.0, 0.0], 0.0, 1),
        ("multilabel_bce", [inf, 0.0], [0.0, 0.0], inf, 1),
    ),
    *_others(
        GRAD,
        ("sigmoid", inf, None, 0.0, 1),
        ("sigmoid", nan, None, nan, 1),
        ("softplus", inf, None, 1.0, 1),
        ("log_sigmoid", inf, None, 0.0, 1),
        ("sigmoid_bce", inf, 0.0, 1.0, 1),
        ("sigmoid_bce", inf, 1.0, 0.0, 1),
        ("sigmoid_bce", -inf, 0.25, -0.25, 1),
        ("sigmoid_bce", nan, 1.0, nan, 1),
        ("margin_logistic", -inf, 1.0, -1.0, 1),
        ("margin_logistic", inf, 1.0, 0.0, 1),
        ("sigmoid_mse", -inf, 1.0, 0.0, 1),
        ("softmax_xent", [-inf, 0.0, 0.0], 1, [0.0, -0.5, 0.5], 3),
        ("softmax_xent", [-inf, 0.0], 0, [-1.0, 1.0], 3),
        ("softmax_xent", [inf, 0.0], 1, [1.0, -1.0], 4),
        ("softmax_xent", [nan, 0.0], 1, [nan, nan], 1),
        ("softmax_xent", [-inf, -inf], 0, [nan, nan], 4),
        ("softmax_xent", [7.0], 0, [0.0], 1),
        ("softmax_xent", [nan, 0.0], -100, [0.0, 0.0], 5, "ignore_index=-100"),
        ("softmax_xent", [0.0, 1.0], 0, [0.0, 0.0], 2, "weight=0.0;1.0"),
        ("logsumexp", [-inf, 0.0], None, [0.0, 1.0], 3),
        ("logsumexp", [-inf, -inf], None, [nan, nan], 4),
        ("multilabel_bce", [nan, 0.0], [1.0, 1.0], [nan, -0.5], 1),
        ("prob_bce", 0.0, 0.0, 1.0, 1),
        ("prob_bce", 1.0, 1.0, -1.0, 1),
        ("prob_bce", 0.0, 1.0, -inf, 1),
        ("prob_bce", 1.0, 0.5, inf, 1),
        ("prob_xent", [0.0, 1.0], [0.0, 1.0], [0.0, -1.0], 2),
        ("prob_xent", [nan, 0.5], [0.0, 1.0], [nan, -2.0], 1),
        ("bernoulli_likelihood", [inf, -inf], [1.0, 0.0], [0.0, 0.0], 1),
        ("bernoulli_log_likelihood", [-inf, 0.0], [1.0, 1.0], [1.0, 0.5], 1),
    ),
    *_others(
        HESS,
        ("sigmoid", 0.0, None, 0.0, 1),
        ("sigmoid_bce", inf, 0.5, 0.0, 1),
        ("sigmoid_bce", 0.0, 1.0, 0.25, 1),
        ("softmax_xent", [-inf, 0.0, 0.0], 1, [0.0, 0.25, 0.25], 3),
        ("softmax_xent", [inf, 0.0], 1, [0.0, 0.0], 4),
        ("softmax_xent", [5.0], 0, [0.0], 1),
        ("sigmoid_mse", 0.0, 1.0, 0.0625, 1),
    ),
)
