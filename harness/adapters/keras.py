"""Keras 3 on its TensorFlow backend: `keras.losses` as functions and classes, and `keras.ops`.

Names are relative to `keras.`. Losses that average over the last axis are fed columns, shape (n, 1),
so that the mean is the element itself. The classes compute in `floatx()` whatever they are given,
float32 by default: their results say so by their dtype. From probabilities, the categorical losses
normalise first (or do so by taking a softmax of log q), which is option "normalized" of `prob_xent`;
the form without it is a composition. `losses.kl_divergence` replaces every zero label by 1e-7 and is no form.

`activations.sigmoid+losses...` and `activations.softmax+losses...` are the usual last layer and loss:
Keras leaves the logits on the activation's result, and a loss that gets this very tensor uses them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from lossbench.harness.adapters.adapter import Call, Unsupported, unsupported
from lossbench.harness.adapters.tensorflow import TensorFlowAdapter


@functools.cache
def _object(keras: Any, name: str, from_logits: bool) -> Any:
    """An unreduced loss object, made once as a training loop would: `name` is that of the class."""
    return getattr(keras.losses, name)(from_logits=from_logits, reduction="none")


def _function(keras: Any, name: str, from_logits: bool) -> Any:
    """The loss function `name`, below `losses` or `ops`, with `from_logits` bound."""
    module, function = name.split(".")
    return functools.partial(getattr(getattr(keras, module), function), from_logits=from_logits)


def _column(keras: Any, x: Any) -> Any:
    """Shape (n,) to (n, 1)."""
    return keras.ops.expand_dims(x, -1)


def _call(form: str, name: str, from_logits: bool, encodings: tuple[str, ...], options: str = "") -> Call:
    """The table's line for one loss: a class when its name is capitalised, else a function."""
    module, last = name.split(".")
    make, key = (_object, last) if last[0].isupper() else (_function, name)
    # Over K neurons the mean is the form's own; over one value it has to be a column's.
    averages = module == "losses" and form in ("sigmoid_bce", "prob_bce")

    def fn(keras: Any, x: Any, y: Any) -> Any:
        loss = make(keras, key, from_logits)
        return loss(_column(keras, y), _column(keras, x)) if averages else loss(y, x)

    return Call(form, f"{name}(from_logits=True)" if from_logits else name, fn, encodings, options)


def _activated(keras: Any, activation: str, loss: str, x: Any, y: Any) -> Any:
    """A loss from probabilities, fed an activation's result and not told that logits are behind it."""
    return getattr(keras.losses, loss)(y, getattr(keras.activations, activation)(x))


def _activated_bce(keras: Any, z: Any, y: Any) -> Any:
    """Sigmoid layer, then binary cross-entropy, on a column: the loss must get the layer's own tensor."""
    return _activated(keras, "sigmoid", "binary_crossentropy", _column(keras, z), _column(keras, y))


def _sigmoid_mse(keras: Any, z: Any, y: Any) -> Any:
    """(g(z) - y)^2 / 2; Keras' mean_squared_error has no factor 1/2."""
    p = keras.activations.sigmoid(_column(keras, z))
    return keras.losses.mean_squared_error(_column(keras, y), p) / 2


def _bce_sum(keras: Any, z: Any, y: Any) -> Any:
    """Binary cross-entropy from logits, summed over the last axis."""
    return keras.ops.sum(keras.ops.binary_crossentropy(y, z, from_logits=True), axis=-1)


def _log_at_index(keras: Any, q: Any, t: Any) -> Any:
    """-log q_t: shapes (n, K) and (n,) to (n,)."""
    return -keras.ops.log(keras.ops.take_along_axis(q, _column(keras, t), axis=-1)[:, 0])


_BINARY, _SOFT, _SIGNED, _INDEX = ("binary",), ("binary", "soft"), ("signed",), ("index",)
_ROWS = ("onehot", "soft")

CALLS: tuple[Call, ...] = (
    Call("sigmoid", "ops.sigmoid", lambda keras, x: keras.ops.sigmoid(x)),
    Call("log_sigmoid", "ops.log_sigmoid", lambda keras, x: keras.ops.log_sigmoid(x)),
    Call("softplus", "ops.softplus", lambda keras, x: keras.ops.softplus(x)),
    Call("softplus", "ops.logaddexp", lambda keras, x: keras.ops.logaddexp(x, keras.ops.zeros_like(x))),
    Call("softmax", "ops.softmax", lambda keras, x: keras.ops.softmax(x)),
    Call("log_softmax", "ops.log_softmax", lambda keras, x: keras.ops.log_softmax(x)),
    Call("logsumexp", "ops.logsumexp", lambda keras, x: keras.ops.logsumexp(x, axis=-1)),
    _call("prob_xent", "losses.categorical_crossentropy", False, _ROWS, "normalized"),
    _call("prob_xent", "losses.CategoricalCrossentropy", False, _ROWS, "normalized"),
    _call("prob_xent", "ops.categorical_crossentropy", False, _ROWS, "normalized"),
    _call("prob_xent", "losses.sparse_categorical_crossentropy", False, _INDEX, "normalized"),
    _call("prob_xent", "losses.SparseCategoricalCrossentropy", False, _INDEX, "normalized"),
    _call("prob_xent", "ops.sparse_categorical_crossentropy", False, _INDEX, "normalized"),
    Call("prob_xent", "ops.log+ops.sum",
         lambda keras, q, y: -keras.ops.sum(y * keras.ops.log(q), axis=-1), _ROWS),
    Call("prob_xent", "ops.take_along_axis+ops.log", _log_at_index, _INDEX),
    _call("softmax_xent", "losses.categorical_crossentropy", True, _ROWS),
    _call("softmax_xent", "losses.CategoricalCrossentropy", True, _ROWS),
    _call("softmax_xent", "ops.categorical_crossentropy", True, _ROWS),
    _call("softmax_xent", "losses.sparse_categorical_crossentropy", True, _INDEX),
    _call("softmax_xent", "losses.SparseCategoricalCrossentropy", True, _INDEX),
    _call("softmax_xent", "ops.sparse_categorical_crossentropy", True, _INDEX),
    Call("softmax_xent", "activations.softmax+losses.categorical_crossentropy",
         lambda keras, z, y: _activated(keras, "softmax", "categorical_crossentropy", z, y), _ROWS),
    Call("softmax_xent", "activations.softmax+losses.sparse_categorical_crossentropy",
         lambda keras, z, t: _activated(keras, "softmax", "sparse_categorical_crossentropy", z, t), _INDEX),
    _call("sigmoid_bce", "losses.binary_crossentropy", True, _SOFT),
    _call("sigmoid_bce", "losses.BinaryCrossentropy", True, _SOFT),
    _call("sigmoid_bce", "ops.binary_crossentropy", True, _SOFT),
    Call("sigmoid_bce", "activations.sigmoid+losses.binary_crossentropy", _activated_bce, _SOFT),
    _call("multilabel_bce", "losses.binary_crossentropy", True, _SOFT, "over=mean"),
    _call("multilabel_bce", "losses.BinaryCrossentropy", True, _SOFT, "over=mean"),
    Call("multilabel_bce", "ops.binary_crossentropy(from_logits=True)+ops.sum", _bce_sum, _SOFT),
    _call("prob_bce", "losses.binary_crossentropy", False, _SOFT),
    _call("prob_bce", "losses.BinaryCrossentropy", False, _SOFT),
    _call("prob_bce", "ops.binary_crossentropy", False, _SOFT),
    # A focal loss with gamma = 0 weighs nothing: it is the cross-entropy.
    Call("sigmoid_bce", "losses.binary_focal_crossentropy(gamma=0, from_logits=True)",
         lambda keras, z, y: keras.losses.binary_focal_crossentropy(
             _column(keras, y), _column(keras, z), gamma=0.0, from_logits=True), _SOFT, tier="default"),
    Call("prob_bce", "losses.binary_focal_crossentropy(gamma=0)",
         lambda keras, p, y: keras.losses.binary_focal_crossentropy(_column(keras, y), _column(keras, p), gamma=0.0),
         _SOFT, tier="default"),
    Call("softmax_xent", "losses.categorical_focal_crossentropy(alpha=1, gamma=0, from_logits=True)",
         lambda keras, z, y: keras.losses.categorical_focal_crossentropy(
             y, z, alpha=1.0, gamma=0.0, from_logits=True), _ROWS, tier="default"),
    Call("prob_xent", "losses.categorical_focal_crossentropy(alpha=1, gamma=0)",
         lambda keras, q, y: keras.losses.categorical_focal_crossentropy(y, q, alpha=1.0, gamma=0.0), _ROWS,
         "normalized", tier="default"),
    Call("sigmoid_bce", "losses.BinaryFocalCrossentropy(gamma=0, from_logits=True)",
         lambda keras, z, y: keras.losses.BinaryFocalCrossentropy(gamma=0.0, from_logits=True, reduction="none")(
             _column(keras, y), _column(keras, z)), _SOFT, tier="full"),
    Call("softmax_xent", "losses.CategoricalFocalCrossentropy(alpha=1, gamma=0, from_logits=True)",
         lambda keras, z, y: keras.losses.CategoricalFocalCrossentropy(
             alpha=1.0, gamma=0.0, from_logits=True, reduction="none")(y, z), _ROWS, tier="full"),
    Call("margin_logistic", "ops.log_sigmoid", lambda keras, z, y: -keras.ops.log_sigmoid(y * z), _SIGNED,
         tier="default"),
    Call("margin_logistic", "ops.softplus", lambda keras, z, y: keras.ops.softplus(-y * z), _SIGNED),
    Call("sigmoid_mse", "activations.sigmoid+losses.mean_squared_error", _sigmoid_mse, _SOFT),
    Call("bernoulli_likelihood", "ops.sigmoid+ops.prod",
         lambda keras, z, y: keras.ops.prod(keras.ops.sigmoid((2 * y - 1) * z), axis=-1), _BINARY),
    Call("bernoulli_log_likelihood", "ops.log_sigmoid+ops.sum",
         lambda keras, z, y: keras.ops.sum(keras.ops.log_sigmoid((2 * y - 1) * z), axis=-1), _BINARY),
)  # fmt: skip


class KerasAdapter(TensorFlowAdapter):
    """Keras 3 through TensorFlow's verbs; calls receive the module `keras`."""

    library = "keras"
    requires: ClassVar[tuple[str, ...]] = ("keras", "tensorflow")
    distribution = "keras"
    calls = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {}
    outside: ClassVar[Mapping[str, Unsupported]] = {
        **{f"losses.{name}": unsupported("it replaces every zero label by 1e-7: no cross-entropy of a one-hot label")
           for name in ("KLDivergence", "kl_divergence")},
        **{f"losses.{name}": unsupported("(1 - p^q) / q, a family between absolute error and cross-entropy")
           for name in ("CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy")},
        **{f"ops.{name}": unsupported("another function: it shares letters with a form")
           for name in ("soft_shrink", "softsign", "hard_sigmoid", "sparse_sigmoid", "logaddexp2")},
    }  # fmt: skip
    environ: ClassVar[Mapping[str, str]] = {**TensorFlowAdapter.environ, "KERAS_BACKEND": "tensorflow"}

    def load(self) -> Any:
        """Import Keras and return it. Raises RuntimeError when it was set up for another backend."""
        super().load()
        import keras

        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow before importing it"
            )
        return keras


ADAPTER = KerasAdapter()
