"""What options say, how they are written, and what is refused."""

from __future__ import annotations

import math

from tests.reference.copies import Copy

_ALL = {"softmax_xent": ("weight", "label_smoothing", "smoothing", "ignore_index")}

# form, as it is said, what is meant, the canonical string
OPTIONS = [
    ("softmax_xent", "", {}, ""),
    ("softmax_xent", "weight=0.5;2.0", {"weight": (0.5, 2.0)}, "weight=0.5;2.0"),
    ("softmax_xent", "weight=3", {"weight": (3.0,)}, "weight=3.0"),
    ("softmax_xent", {"weight": [1, 2]}, {"weight": (1.0, 2.0)}, "weight=1.0;2.0"),
    (
        "softmax_xent",
        "smoothing=K-1,label_smoothing=0.1,ignore_index=-100",
        {"label_smoothing": 0.1, "smoothing": "K-1", "ignore_index": -100},
        "ignore_index=-100,label_smoothing=0.1,smoothing=K-1",
    ),
    ("softmax_xent", "label_smoothing=0.0,smoothing=K", {}, ""),
    ("softmax_xent", "label_smoothing=1.0", {"label_smoothing": 1.0}, "label_smoothing=1.0"),
    ("prob_xent", "normalized", {"normalized": True}, "normalized"),
    ("multilabel_bce", "pos_weight=1.0;0.0,over=mean", {"pos_weight": (1.0, 0.0), "over": "mean"},
     "over=mean,pos_weight=1.0;0.0"),
    ("sigmoid_bce", "pos_weight=2", {"pos_weight": 2.0}, "pos_weight=2.0"),
]  # fmt: skip
REFUSED_OPTIONS = [
    ("sigmoid_bce", "over=mean"),
    ("sigmoid_bce", "pos_weight"),
    ("sigmoid_bce", "pos_weight=-1.0"),
    ("sigmoid_bce", "pos_weight=inf"),
    ("sigmoid_bce", {"pos_weight": math.nan}),
    ("sigmoid_bce", "label_smoothing=1.5"),
    ("sigmoid_bce", "label_smoothing=-0.5"),
    ("sigmoid_bce", "label_smoothing=much"),
    ("softmax_xent", "smoothing=N"),
    ("softmax_xent", "ignore_index=1.5"),
    ("prob_xent", "normalized=1"),
    ("multilabel_bce", "over=max"),
]

# form, x, labels, and what else
ACCEPTED = [
    ("softmax_xent", [[1.0, 2.0]], [1], {}),
    ("softmax_xent", [[1.0, 2.0]], [7], {"options": "ignore_index=7"}),
    ("softmax_xent", [[1.0, 2.0]], [[0.25, 0.5]], {}),
    ("sigmoid_bce", [1.0], [1.0], {"sample_weight": [0.0]}),
    ("prob_bce", [1.0], [1], {}),
    ("sigmoid", [math.nan], None, {}),
]
REFUSED = [
    ("softmax_xent", [[1.0, 2.0]], [-1], {}),
    ("softmax_xent", [[1.0, 2.0]], [2], {}),
    ("softmax_xent", [[1.0, 2.0]], [-1], {"options": "ignore_index=-100"}),
    ("softmax_xent", [[1.0, 2.0]], [[1.5, 0.0]], {}),
    ("softmax_xent", [[1.0, 2.0]], [[1.0, 0.0]], {"options": "ignore_index=-100"}),
    ("softmax_xent", [[1.0, 2.0]], [0, 1], {}),
    ("softmax_xent", [[1.0, 2.0]], [1], {"options": "weight=1.0"}),
    ("softmax_xent", [[1.0]], [0], {"options": "label_smoothing=0.1,smoothing=K-1"}),
    ("softmax_xent", [1.0, 2.0], [1], {}),
    ("softmax_xent", [[0.1, 2.0]], [1], {}),
    ("sigmoid_bce", [1.0], [-1.0], {}),
    ("sigmoid_bce", [1.0], None, {}),
    ("sigmoid_bce", [1.0], [1.0], {"sample_weight": [-1.0]}),
    ("sigmoid_bce", [1.0], [1.0], {"sample_weight": [math.inf]}),
    ("sigmoid_bce", [1.0], [1.0], {"reduction": "max"}),
    ("sigmoid_bce", [1.0], [1.0], {"reduction": "mean", "denominator": "K"}),
    ("sigmoid_bce", [1.0], [1.0], {"quantity": "hvp:z"}),
    ("margin_logistic", [1.0], [0.0], {}),
    ("bernoulli_likelihood", [[1.0]], [[0.5]], {}),
    ("prob_bce", [1.5], [1.0], {}),
    ("sigmoid", [1.0], [1.0], {}),
]


def check_options(copy: Copy) -> str | None:
    """Options that are said, written and refused."""
    form_of, options = copy.reference.form_of, copy.reference.options.Options
    for name, said, meant, written in OPTIONS:
        got = form_of(name).said(said)
        if got != options(**meant) or str(got) != written or form_of(name).said(written) != got:
            return f"{name}: {said!r} means {got!r}, written {str(got)!r}"
    for name, said in REFUSED_OPTIONS:
        try:
            got = form_of(name).said(said)
        except ValueError:
            continue
        return f"{name}: {said!r} is taken for {got!r}"
    return None


def check_arguments(copy: Copy) -> str | None:
    """Labels, weights, shapes and names that are accepted and refused."""
    for name, x, y, others in ACCEPTED:
        copy.evaluate(name, x, y, "float32", **others)
    for name, x, y, others in REFUSED:
        try:
            copy.evaluate(name, x, y, "float32", **others)
        except ValueError:
            continue
        return f"{name}: {x}, {y}, {others} are accepted"
    return None
