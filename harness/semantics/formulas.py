"""Which formula a library follows: calls with arguments, and the named conventions that their results are held against.

An expression is Python text in the library's own terms, because reports and reproducers print it. It may name the
library, NumPy and the arrays of `arrays`; worker processes evaluate it, and nobody else's text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossbench.harness.semantics.ask import DTYPE, Array, f32
from lossbench.reference import evaluate, form_of

EPS, C = 0.25, 3.0


def arrays() -> dict[str, Array]:
    """The arrays that expressions name.

    z, q: logits and probabilities (4, 3); t, y: their labels as indices and rows; ti, ta: indices of which one, or
    all, are -100; w: class weights; s: sample weights, one of them 0; v, p, b: logits, probabilities and 0/1 labels
    (4,); bk: 0/1 labels of K outputs; q2: rows of q that sum to 1/2. Of one row: zn, zm with a NaN and a masked class,
    tn ignored, t0 and t1 and y0 labels, w2 class weights; vi, vp, vn logits that are -inf, +inf and NaN, b1 a label.
    """
    z = f32([[0.5, -1.25, 2.0], [1.5, 1.0, -0.75], [-0.5, 0.25, 1.0], [2.5, -1.0, 0.125]])
    q = f32([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.5, 0.375, 0.125], [0.0625, 0.6875, 0.25]])
    t = np.array([2, 0, 1, 1])
    return {
        "z": z, "q": q, "t": t, "y": np.eye(3, dtype=np.float32)[t], "q2": q / 2,
        "ti": np.array([2, -100, 1, 1]), "ta": np.full(4, -100), "tk": np.array([2, 0, 1, 0]),
        "w": f32([0.5, 1.0, 4.0]), "s": f32([1.0, 0.0, 2.0, 0.5]),
        "v": f32([0.5, -1.25, 2.0, -0.375]), "p": f32([0.25, 0.125, 0.5, 0.75]),
        "zn": f32([[np.nan, 0.0]]), "tn": np.array([-100]), "zm": f32([[0.0, -np.inf]]), "t0": np.array([0]),
        "t1": np.array([1]), "y0": f32([[1.0, 0.0]]), "w2": f32([1.0, 0.0]), "vi": f32([-np.inf]),
        "vp": f32([np.inf]), "vn": f32([np.nan]), "b1": f32([1.0]),
        "b": f32([1, 0, 1, 1]), "bk": f32([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]]),
    }  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question of formula, and its possible answers: name -> exact value. `good`: the contract's own answer."""

    name: str
    asks: str
    answers: Callable[[], dict[str, Array]]
    good: str = ""


def _exact(form: str, x: str, y: str, options: object = "", reduction: str = "none", **more: object) -> Array:
    known = arrays()
    for name in ("sample_weight",):
        if name in more:
            more[name] = known[str(more[name])]
    found = evaluate(form_of(form), known[x], known[y], DTYPE, "value", options, reduction, **more)  # type: ignore[arg-type]
    return np.asarray(found.value)


_W = (0.5, 1.0, 4.0)
_SMOOTH = {"label_smoothing": EPS}


def _softmax(options: object = "", reduction: str = "none", y: str = "t", **more: object) -> Array:
    return _exact("softmax_xent", "z", y, options, reduction, **more)


def _weighted_smooth() -> dict[str, Array]:
    w = arrays()["w"][arrays()["t"]]
    return {
        "smoothing, then weights": _softmax({"weight": _W, **_SMOOTH}),
        "weights, then smoothing": w * _softmax(_SMOOTH),
    }


def _ignoring(y: str) -> dict[str, Array]:
    kept = _softmax({"ignore_index": -100}, "sum", y)
    count = int(np.sum(arrays()[y] != -100))
    return {"divides by the kept rows": kept / count, "divides by all rows": kept / 4}


def _sampled() -> dict[str, Array]:
    s = arrays()["s"]
    total = float(np.sum(_softmax() * s))
    return {
        "divides by N": np.array(total / 4),
        "divides by sum_w": np.array(total / s.sum()),
        "divides by the non-zero weights": np.array(total / np.count_nonzero(s)),
        "ignores the weights": np.array(np.mean(_softmax())),
    }


def _class_weighted() -> dict[str, Array]:
    weight = {"weight": _W}
    return {
        "divides by N": _softmax(weight, "mean"),
        "divides by sum_w": _softmax(weight, "mean", denominator="sum_w"),
        "ignores the weights": _softmax("", "mean"),
    }


def _smooth() -> dict[str, Array]:
    return {
        "follows K": _softmax(_SMOOTH),
        "follows K-1": _softmax(_SMOOTH | {"smoothing": "K-1"}),
        "does not smooth": _softmax(),
    }


def _binary(options: object = "", form: str = "sigmoid_bce", x: str = "v", reduction: str = "none") -> Array:
    return _exact(form, x, "b", options, reduction)


def _smooth_binary() -> dict[str, Array]:
    return {"follows eps/2": _binary(_SMOOTH), "does not smooth": _binary(),
            "follows eps/4": _binary({"label_smoothing": EPS / 2})}  # fmt: skip


def _outputs(over: str, reduction: str) -> Array:
    return _exact("multilabel_bce", "z", "bk", {"over": over}, reduction)


def _spread() -> dict[str, Array]:
    return {
        "divides by N K": _outputs("mean", "mean"),
        "divides by N": _outputs("sum", "mean"),
        "sums": _outputs("sum", "sum"),
    }


def _rule(form: str, x: str, y: str, options: dict[str, object], name: str) -> Question:
    """A row of the contract that has options; the reference says what it is."""
    asks = "what does the contract's row give?"
    return Question(name, asks, lambda: {"the contract": _exact(form, x, y, options)}, "the contract")


#: Rows of the contract with options, which no call of the tables has; those of gradients are not asked.
RULES = (
    _rule("softmax_xent", "zn", "tn", {"ignore_index": -100}, "an ignored row of NaN"),
    _rule("softmax_xent", "zm", "t1", {"weight": (1.0, 0.0)}, "weight 0 of a masked class"),
    _rule("softmax_xent", "zm", "t0", {"label_smoothing": 0.5}, "smoothing onto a masked class"),
    _rule("sigmoid_bce", "vi", "b1", {"pos_weight": 0.0}, "pos_weight 0 at -inf"),
    _rule("sigmoid_bce", "vn", "b1", {"pos_weight": 0.0}, "pos_weight 0 at NaN"),
    _rule("sigmoid_bce", "vp", "b1", {"label_smoothing": 0.5}, "smoothing at +inf"),
)


def _as_given() -> dict[str, Array]:
    return {"as given": _exact("prob_xent", "q2", "t"), "normalises q": _exact("prob_xent", "q2", "t", "normalized")}


QUESTIONS = {
    q.name: q
    for q in (
        *RULES,
        Question("label smoothing", "where does the mass eps go?", _smooth),
        Question("binary label smoothing", "what does eps do to 0 and 1?", _smooth_binary),
        Question("smoothing with weights", "which comes first?", _weighted_smooth, "smoothing, then weights"),
        Question("class weights", "what does the mean divide by?", _class_weighted),
        Question("sample weights", "what does the mean divide by?", _sampled),
        Question("ignored rows", "what does the mean divide by?", lambda: _ignoring("ti"), "divides by the kept rows"),
        Question("all ignored", "what is the mean of nothing?",
                 lambda: {"0": np.array(0.0), "NaN": np.array(np.nan)}, "0"),
        Question("pos_weight", "is c a factor of the positive term?",
                 lambda: {"c y log g": _binary({"pos_weight": C}), "no factor": _binary()}, "c y log g"),
        Question("mean of K outputs", "what does the default mean divide by?", _spread),
        Question("rows of q", "are probabilities that do not sum to 1 normalised?", _as_given),
        Question("default mean", "is the default the mean over rows?",
                 lambda: {"mean": _softmax("", "mean"), "sum": _softmax("", "sum"), "none": _softmax()}),
        Question("sum", "is the sum that of the unreduced values?", lambda: {"sum": _softmax("", "sum")}, "sum"),
        Question("default arguments", "is a default the same as its value passed?",
                 lambda: {"the same": _softmax()}, "the same"),
        Question("divergence", "what does the default mean divide by?", lambda: {
            "divides by N": _exact("softmax_xent", "z", "t", "", "mean"),
            "divides by N K": _exact("softmax_xent", "z", "t", "", "mean") / 3,
        }, "divides by N"),
    )
}  # fmt: skip
