"""Bad input: one error, which names the argument, its shape and the rule."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.reference import evaluate, exact, form_of

Z, ROWS = [0.5, -1.0], [[0.5, -1.0, 2.0], [1.0, 0.0, 0.0]]


def ask(form, x, y=None, dtype="float32", **keywords):
    return lambda: evaluate(form_of(form), x, y, dtype, **keywords)


BAD = {
    "an object array": (ask("sigmoid", np.array([object()])), r"z: got object of shape \(1,\), wants real numbers"),
    "text": (ask("sigmoid", ["1.0"]), "z: got <U3"),
    "complex": (ask("sigmoid", [1j]), "z: got complex128"),
    "an unknown dtype": (ask("sigmoid", Z, dtype="float31"), "dtype: got 'float31', wants one of float8_e4m3fn"),
    "not a number of the format": (ask("sigmoid", [0.1]), r"z: shape \(1,\), 0\.1 is not a float32 number"),
    "an axis too many": (ask("sigmoid", ROWS), r"z: got shape \(2, 3\), wants 1 axes"),
    "an axis too few": (ask("softmax", Z), r"z: got shape \(2,\), wants 2 axes"),
    "no class": (ask("softmax", np.zeros((2, 0))), "at least one class"),
    "a probability beyond 1": (ask("prob_bce", [1.5], [1.0]), r"p: shape \(1,\) holds 1\.5, wants probabilities"),
    "labels for a block": (ask("sigmoid", Z, Z), "y: got float64 .*, sigmoid has no labels"),
    "no labels": (ask("sigmoid_bce", Z), "y: missing, sigmoid_bce wants labels: binary, soft"),
    "labels of another shape": (ask("sigmoid_bce", Z, [1.0]), r"y: got shape \(1,\), wants \(2,\)"),
    "-1/+1 where 0/1 are wanted": (
        ask("sigmoid_bce", Z, [-1.0, 1.0]),
        r"y: shape \(2,\) holds -1\.0, wants .*\[0, 1\]",
    ),
    "0/1 where -1/+1 are wanted": (ask("margin_logistic", Z, [0.0, 1.0]), "holds 0.0, wants labels -1 or \\+1"),
    "soft where hard are wanted": (ask("bernoulli_likelihood", ROWS, np.full((2, 3), 0.5)), "wants labels 0 or 1"),
    "an index beyond the classes": (ask("softmax_xent", ROWS, [0, 3]), r"holds 3, wants class indices in 0\.\.2"),
    "a negative index": (ask("softmax_xent", ROWS, [0, -1]), "holds -1"),
    "a float index": (ask("softmax_xent", ROWS, [0.0, 1.0]), "y: got float64 .* wants 2 integers"),
    "ignore_index without indices": (
        ask("softmax_xent", ROWS, np.eye(3)[:2], options="ignore_index=-100"),
        "ignore_index: goes with class indices",
    ),
    "an unknown option": (ask("softmax_xent", ROWS, [0, 1], options="wieght=1;1;1"), "got 'wieght', nearest is weight"),
    "another form's option": (
        ask("sigmoid_mse", Z, [0, 1], options="pos_weight=2"),
        "sigmoid_mse has label_smoothing",
    ),
    "weights of another length": (
        ask("softmax_xent", ROWS, [0, 1], options="weight=1;2"),
        "weight: got 2 numbers, wants 3",
    ),
    "a NaN weight": (ask("softmax_xent", ROWS, [0, 1], options="weight=1;2;nan"), "weight: got nan, wants finite"),
    "a negative weight": (ask("sigmoid_bce", Z, [0, 1], options="pos_weight=-1"), "pos_weight: got -1.0"),
    "smoothing beyond 1": (
        ask("softmax_xent", ROWS, [0, 1], options="label_smoothing=1.5"),
        "label_smoothing: got 1.5",
    ),
    "an unknown smoothing": (
        ask("softmax_xent", ROWS, [0, 1], options="smoothing=N"),
        "smoothing: got 'N', wants one of K",
    ),
    "others of one class": (
        ask("softmax_xent", [[1.0]], [0], options="label_smoothing=0.1,smoothing=K-1"),
        "only one class",
    ),
    "an option without its value": (ask("sigmoid_bce", Z, [0, 1], options="pos_weight"), "pos_weight wants a value"),
    "a NaN sample weight": (
        ask("sigmoid_bce", Z, [0, 1], sample_weight=[1.0, np.nan]),
        r"sample_weight: shape \(2,\) holds nan",
    ),
    "sample weights of another length": (ask("sigmoid_bce", Z, [0, 1], sample_weight=[1.0]), "sample_weight: got"),
    "an unknown quantity": (ask("sigmoid", Z, quantity="hvp:z"), "quantity: got 'hvp:z', sigmoid has value, grad:z"),
    "an unknown reduction": (ask("sigmoid", Z, reduction="max"), "reduction: got 'max', wants one of none, sum, mean"),
    "an unknown denominator": (
        ask("sigmoid", Z, reduction="mean", denominator="n"),
        "denominator: got 'n', wants one of N, sum_w",
    ),
    "one case, as an object": (lambda: exact("sigmoid", None, dtype="float32"), "z: got object of shape"),
    "one case, a class too high": (lambda: exact("softmax_xent", [0.0, 1.0], 2, dtype="float32"), "holds 2"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named(what):
    call, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        call()
