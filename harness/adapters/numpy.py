"""NumPy: every form twice, as a person first writes it (`textbook`) and with care (`stable`).

NumPy has no losses, so both are written here, gradients included, from its public functions. The dtype of
the input is kept all the way. `textbook` shows what the naive formula costs; `stable` shifts by the maximum,
uses `logaddexp` and branches on the sign, as good NumPy code does, and goes no further (no scaled sums).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported, unsupported

BINARY, SIGNED, SOFT = ("binary",), ("signed",), ("binary", "soft")
CLASSES = ("index", "onehot", "soft")
BLOCK = ("-",)
Values = Any  # floating-point arrays; NumPy types the results of arithmetic on them as Any


def onehot(y: Values, x: Values) -> Values:
    """Class indices as a distribution of x's shape and dtype; a distribution is returned as it is."""
    return (np.arange(x.shape[-1]) == y[:, None]).astype(x.dtype) if y.ndim < x.ndim else y


def dot(y: Values, a: Values) -> Values:
    """sum_k y_k a_k without 0 * inf: a class without weight adds nothing, an index picks its class."""
    if y.ndim < a.ndim:
        return np.take_along_axis(a, y[:, None], -1)[:, 0]
    return np.where(y == 0, 0, y * a).sum(-1)


def g(z: Values) -> Values:
    """Sigmoid by definition."""
    return 1 / (1 + np.exp(-z))


def sigmoid(z: Values) -> Values:
    """Sigmoid without overflow, relative accuracy in both tails' exponential."""
    u = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, u) / (1 + u)


def slope(z: Values) -> Values:
    """Derivative of the sigmoid, g(z) g(-z)."""
    u = np.exp(-np.abs(z))
    return u / (1 + u) ** 2


def residual(z: Values, y: Values) -> Values:
    """g(z) - y without cancellation for y in {0, 1}."""
    u = np.exp(-np.abs(z))
    return np.where(z >= 0, (1 - y) - y * u, (1 - y) * u - y) / (1 + u)


def bce(z: Values, y: Values) -> Values:
    """Binary cross-entropy by definition."""
    p = g(z)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def softplus_bce(z: Values, y: Values) -> Values:
    """Binary cross-entropy as two non-negative terms."""
    return y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)


def likelihood(z: Values, y: Values) -> Values:
    """Product of the probabilities of the labels, by definition."""
    p = g(z)
    return np.prod(p**y * (1 - p) ** (1 - y), axis=-1)


def signed_likelihood(z: Values, y: Values) -> Values:
    """Product of the probabilities of the labels, each one sigmoid of a margin."""
    return sigmoid((2 * y - 1) * z).prod(-1)


def softmax(z: Values) -> Values:
    """Softmax by definition."""
    e = np.exp(z)
    return e / e.sum(-1, keepdims=True)


def shift(z: Values) -> Values:
    """Logits minus the largest of their row."""
    return z - z.max(-1, keepdims=True)


def log_softmax(z: Values) -> Values:
    """Shifted logits minus the logarithm of the sum of their exponentials."""
    d = shift(z)
    return d - np.log(np.exp(d).sum(-1, keepdims=True))


def logsumexp(z: Values) -> Values:
    """Maximum plus the logarithm of the shifted sum."""
    return z.max(-1) + np.log(np.exp(shift(z)).sum(-1))


def complement(z: Values) -> Values:
    """1 - softmax(z); for the largest class, where it would cancel, summed over the other classes."""
    e = np.exp(shift(z))
    total = e.sum(-1, keepdims=True)
    top = e.argmax(-1)[:, None]
    rest = total - e
    np.put_along_axis(e, top, 0, -1)
    np.put_along_axis(rest, top, e.sum(-1, keepdims=True), -1)
    return rest / total


def softmax_residual(z: Values, y: Values) -> Values:
    """sum(y) softmax(z) - y without cancellation for one-hot y."""
    y = onehot(y, z)
    return softmax(shift(z)) * (y.sum(-1, keepdims=True) - y) - y * complement(z)


def first(x: Values) -> Values:
    """Mark component 0 of the class axis, the one whose gradient is asked of a vector-valued form."""
    return np.arange(x.shape[-1]) == 0


def prob_bce(p: Values, y: Values) -> Values:
    """Binary cross-entropy of a probability with 0 log 0 = 0."""
    return -(np.where(y == 0, 0, y * np.log(p)) + np.where(y == 1, 0, (1 - y) * np.log1p(-p)))


def prob_bce_gradient(p: Values, y: Values) -> Values:
    """Its derivative with the limits -1/p at y = 1 and 1/(1-p) at y = 0."""
    return np.where(y == 1, 0, (1 - y) / (1 - p)) - np.where(y == 0, 0, y / p)


def normalize(q: Values) -> Values:
    """Probabilities divided by their sum."""
    return q / q.sum(-1, keepdims=True)


def pair(form: str, encodings: tuple[str, ...], textbook: Any, stable: Any, options: str = "") -> list[Call]:
    """Two calls from two (value, gradient) pairs of functions of x, or of x and y."""
    return [
        Call(form, name, lambda _, *a, f=value: f(*a), encodings, options, lambda _, *a, f=grad: f(*a))
        for name, (value, grad) in (("textbook", textbook), ("stable", stable))
    ]


# Each entry: form, encodings, textbook (value, gradient), stable (value, gradient).
CALLS = (
    *pair("prob_xent", CLASSES,
          (lambda q, y: -(onehot(y, q) * np.log(q)).sum(-1), lambda q, y: -onehot(y, q) / q),
          (lambda q, y: -dot(y, np.log(q)), lambda q, y: np.where(onehot(y, q) == 0, 0, -onehot(y, q) / q))),
    *pair("prob_xent", CLASSES,
          (lambda q, y: -(onehot(y, q) * np.log(normalize(q))).sum(-1),
           lambda q, y: onehot(y, q).sum(-1, keepdims=True) / q.sum(-1, keepdims=True) - onehot(y, q) / q),
          (lambda q, y: -dot(y, np.log(normalize(q))),
           lambda q, y: onehot(y, q).sum(-1, keepdims=True) / q.sum(-1, keepdims=True)
           - np.where(onehot(y, q) == 0, 0, onehot(y, q) / q)), "normalized"),
    *pair("softmax_xent", CLASSES,
          (lambda z, y: -(onehot(y, z) * np.log(softmax(z))).sum(-1), lambda z, y: softmax(z) - onehot(y, z)),
          (lambda z, y: -dot(y, log_softmax(z)), softmax_residual)),
    *pair("sigmoid_bce", SOFT, (bce, lambda z, y: g(z) - y), (softplus_bce, residual)),
    *pair("multilabel_bce", SOFT,
          (lambda z, y: bce(z, y).sum(-1), lambda z, y: g(z) - y),
          (lambda z, y: softplus_bce(z, y).sum(-1), residual)),
    *pair("multilabel_bce", SOFT,
          (lambda z, y: bce(z, y).mean(-1), lambda z, y: (g(z) - y) / z.shape[-1]),
          (lambda z, y: softplus_bce(z, y).mean(-1), lambda z, y: residual(z, y) / z.shape[-1]), "over=mean"),
    *pair("prob_bce", SOFT,
          (lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)), lambda p, y: (p - y) / (p * (1 - p))),
          (prob_bce, prob_bce_gradient)),
    *pair("margin_logistic", SIGNED,
          (lambda z, y: np.log(1 + np.exp(-y * z)), lambda z, y: -y * (1 - g(y * z))),
          (lambda z, y: np.logaddexp(0, -y * z), lambda z, y: -y * sigmoid(-y * z))),
    *pair("sigmoid_mse", SOFT,
          (lambda z, y: (g(z) - y) ** 2 / 2, lambda z, y: (g(z) - y) * g(z) * (1 - g(z))),
          (lambda z, y: residual(z, y) ** 2 / 2, lambda z, y: residual(z, y) * slope(z))),
    *pair("bernoulli_likelihood", BINARY,
          (likelihood, lambda z, y: likelihood(z, y)[:, None] * (y - g(z))),
          (signed_likelihood, lambda z, y: -signed_likelihood(z, y)[:, None] * residual(z, y))),
    *pair("bernoulli_log_likelihood", BINARY,
          (lambda z, y: -bce(z, y).sum(-1), lambda z, y: y - g(z)),
          (lambda z, y: -softplus_bce(z, y).sum(-1), lambda z, y: -residual(z, y))),
    *pair("sigmoid", BLOCK, (g, lambda x: g(x) * (1 - g(x))), (sigmoid, slope)),
    *pair("log_sigmoid", BLOCK,
          (lambda x: np.log(g(x)), lambda x: 1 - g(x)),
          (lambda x: -np.logaddexp(0, -x), lambda x: sigmoid(-x))),
    *pair("softplus", BLOCK,
          (lambda x: np.log(1 + np.exp(x)), g), (lambda x: np.logaddexp(0, x), sigmoid)),
    *pair("softmax", BLOCK,
          (softmax, lambda x: softmax(x)[:, :1] * (first(x) - softmax(x))),
          (lambda x: softmax(shift(x)),
           lambda x: softmax(shift(x))[:, :1] * np.where(first(x), complement(x), -softmax(shift(x))))),
    *pair("log_softmax", BLOCK,
          (lambda x: np.log(softmax(x)), lambda x: first(x) - softmax(x)),
          (log_softmax, lambda x: np.where(first(x), complement(x), -softmax(shift(x))))),
    *pair("logsumexp", BLOCK,
          (lambda x: np.log(np.exp(x).sum(-1)), softmax), (logsumexp, lambda x: softmax(shift(x)))),
)  # fmt: skip


class NumpyAdapter(Adapter):
    """NumPy arrays on the CPU; the base of the libraries that take and give NumPy arrays."""

    library = "numpy"
    requires: ClassVar[tuple[str, ...]] = ("numpy",)
    distribution = "numpy"
    modes = ("eager",)
    lacks_dtypes: ClassVar[Mapping[str, Unsupported]] = {"bfloat16": unsupported("NumPy has no bfloat16")}
    calls: ClassVar[tuple[Call, ...]] = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {}

    def load(self) -> Any:
        """NumPy is here already."""
        return np

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Any:
        """The array itself."""
        return array

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """The array itself, scalars too, with the dtype that the call gave it."""
        array = np.asarray(tensor)
        return array, array.dtype.name

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """The call, or the call and its gradient function, with floating-point warnings off."""

        def value(x: Array, *labels: Array) -> Any:
            with np.errstate(all="ignore"):
                return call.fn(lib, x, *labels)

        if work == "F":
            return value
        gradient = call.gradient
        if not callable(gradient):
            raise ValueError(f"{self.library}:{call.name} has no gradient: {gradient}")

        def value_and_grad(x: Array, *labels: Array) -> tuple[Any, Any]:
            with np.errstate(all="ignore"):
                return call.fn(lib, x, *labels), gradient(lib, x, *labels)

        return value_and_grad


ADAPTER = NumpyAdapter()
