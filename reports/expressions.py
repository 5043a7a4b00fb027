"""Calls as a user writes them, for reproducers: text over `x` (logits or probabilities) and `y` (labels).

Keys are the calls of the adapters' tables, or `form|call` where a call serves several forms. A test runs each of
them beside the adapter's own function.
"""

from __future__ import annotations

#: library -> lines that import it, and what makes its array of a NumPy one.
SETUP = {
    "numpy": ("", "{}"),
    "scipy": ("import scipy.special, scipy.stats", "{}"),
    "torch": ("import torch", "torch.from_numpy({})"),
    "jax": ("import jax, jax.numpy as jnp", "jnp.asarray({})"),
    "optax": ("import jax, jax.numpy as jnp, optax", "jnp.asarray({})"),
    "tensorflow": ("import tensorflow as tf", "tf.constant({})"),
    "keras": ("import tensorflow as tf, keras", "tf.constant({})"),
    "sklearn": ("import sklearn._loss, sklearn.metrics", "{}"),
    "native": ("from lossbench import native", "{}"),
}

_F = "torch.nn.functional."
_D = "torch.distributions."
_NONE = "(x, y, reduction='none')"
_TF = "tf.nn."
_V1 = "tf.compat.v1.losses."
_ENTRY = "x, y[:, None], axis=-1)[:, 0]"


def _keras(name: str, binary: bool) -> dict[str, str]:
    """A Keras loss as a function and as a class, from logits and from probabilities."""
    words = "".join(word.capitalize() for word in name.split("_")).replace("crossentropy", "Crossentropy")
    y, x = ("y[:, None]", "x[:, None]") if binary else ("y", "x")
    found = {}
    for flag, said in (("(from_logits=True)", ", from_logits=True"), ("", "")):
        found[f"losses.{name}{flag}"] = f"keras.losses.{name}({y}, {x}{said})"
        found[f"ops.{name}{flag}"] = f"keras.ops.{name}(y, x{said})"
        found[f"losses.{words}{flag}"] = f"keras.losses.{words}(reduction='none'{said})({y}, {x})"
    return found


EXPRESSIONS: dict[str, dict[str, str]] = {
    "torch": {
        **{f"nn.functional.{name}": f"{_F}{name}{_NONE}" for name in (
            "cross_entropy", "binary_cross_entropy_with_logits", "binary_cross_entropy", "soft_margin_loss",
            "multilabel_soft_margin_loss")},
        **{f"nn.{name}": f"torch.nn.{name}(reduction='none')(x, y)" for name in (
            "CrossEntropyLoss", "BCEWithLogitsLoss", "BCELoss", "SoftMarginLoss", "MultiLabelSoftMarginLoss")},
        "log_softmax+nll_loss": f"{_F}nll_loss(torch.log_softmax(x, -1), y, reduction='none')",
        "log+nll_loss": f"{_F}nll_loss(torch.log(x), y, reduction='none')",
        "log_softmax+nn.functional.kl_div+sum": f"{_F}kl_div(torch.log_softmax(x, -1), y, reduction='none').sum(-1)",
        "special.xlogy+sum": "-torch.special.xlogy(y, x).sum(-1)",
        "special.xlogy+xlog1py": "-(torch.special.xlogy(y, x) + torch.special.xlog1py(1 - y, -x))",
        **{f"distributions.{kind}({by}).log_prob": f"-{_D}{kind}({by}=x, validate_args=False).log_prob(y)"
           for kind in ("Categorical", "OneHotCategorical", "Bernoulli") for by in ("logits", "probs")},
        "softplus|nn.functional.softplus": f"{_F}softplus(x)",
        "margin_logistic|nn.functional.softplus": f"{_F}softplus(-y * x)",
        "margin_logistic|nn.functional.logsigmoid": f"-{_F}logsigmoid(y * x)",
        "softmax": "torch.softmax(x, -1)", "log_softmax": "torch.log_softmax(x, -1)",
        "logsumexp": "torch.logsumexp(x, -1)",
    },
    "jax": {
        "nn.log_softmax+sum": "-(y * jax.nn.log_softmax(x)).sum(-1)",
        "nn.log_softmax+take_along_axis": f"-jnp.take_along_axis(jax.nn.log_softmax(x), {_ENTRY[3:]}",
        "numpy.take_along_axis+log": f"-jnp.log(jnp.take_along_axis({_ENTRY})",
        "sigmoid_bce|nn.log_sigmoid": "-(y * jax.nn.log_sigmoid(x) + (1 - y) * jax.nn.log_sigmoid(-x))",
        "sigmoid_bce|nn.softplus": "jax.nn.softplus(x) - y * x",
        "margin_logistic|nn.softplus": "jax.nn.softplus(-y * x)",
        "scipy.special.xlogy+sum": "-jax.scipy.special.xlogy(y, x).sum(-1)",
        "scipy.special.xlogy+xlog1py": "-(jax.scipy.special.xlogy(y, x) + jax.scipy.special.xlog1py(1 - y, -x))",
        "nn.softmax": "jax.nn.softmax(x)", "nn.log_softmax": "jax.nn.log_softmax(x)",
        "nn.logsumexp": "jax.nn.logsumexp(x, axis=-1)",
    },
    "optax": {
        **{name: f"optax.{name}(x, y)" for name in (
            "softmax_cross_entropy", "safe_softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels",
            "sigmoid_binary_cross_entropy", "losses.kl_divergence")},
        "sigmoid_focal_loss(gamma=0)": "optax.sigmoid_focal_loss(x, y, gamma=0.0)",
        "losses.poly_loss_cross_entropy(epsilon=0)": "optax.losses.poly_loss_cross_entropy(x, y, epsilon=0.0)",
        "losses.ranking_softmax_loss(reduce_fn=None)": "optax.losses.ranking_softmax_loss(x, y, reduce_fn=None)",
        "prob_xent|losses.kl_divergence": "optax.losses.kl_divergence(jnp.log(x), y)",
        "softmax_xent|losses.kl_divergence": "optax.losses.kl_divergence(jax.nn.log_softmax(x), y)",
        "multilabel_bce|sigmoid_binary_cross_entropy+sum": "optax.sigmoid_binary_cross_entropy(x, y).sum(-1)",
    },
    "tensorflow": {
        **{f"nn.{name}": f"{_TF}{name}(labels=y, logits=x)" for name in (
            "softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits",
            "sigmoid_cross_entropy_with_logits")},
        **{f"compat.v1.losses.{name}": f"{_V1}{name}(y, x, reduction='none')" for name in (
            "softmax_cross_entropy", "sparse_softmax_cross_entropy", "sigmoid_cross_entropy", "log_loss")},
        "nn.log_softmax+reduce_sum": "-tf.reduce_sum(y * tf.nn.log_softmax(x), -1)",
        "math.xlogy+reduce_sum": "-tf.reduce_sum(tf.math.xlogy(y, x), -1)",
        "math.xlogy+math.xlog1py": "-(tf.math.xlogy(y, x) + tf.math.xlog1py(1 - y, -x))",
        "gather+math.log": "-tf.math.log(tf.gather(x, y, batch_dims=1))",
        "margin_logistic|nn.softplus": "tf.nn.softplus(-y * x)",
        "nn.sigmoid_cross_entropy_with_logits+reduce_sum":
            "tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x), -1)",
        "softmax|nn.softmax": "tf.nn.softmax(x)", "nn.log_softmax": "tf.nn.log_softmax(x)",
        "math.reduce_logsumexp": "tf.math.reduce_logsumexp(x, -1)",
    },
    "keras": {
        **_keras("categorical_crossentropy", False),
        **_keras("sparse_categorical_crossentropy", False),
        **_keras("binary_crossentropy", True),
        "multilabel_bce|losses.binary_crossentropy(from_logits=True)":
            "keras.losses.binary_crossentropy(y, x, from_logits=True)",
        "multilabel_bce|losses.BinaryCrossentropy(from_logits=True)":
            "keras.losses.BinaryCrossentropy(from_logits=True, reduction='none')(y, x)",
        "ops.log+ops.sum": "-keras.ops.sum(y * keras.ops.log(x), axis=-1)",
        "ops.take_along_axis+ops.log": "-keras.ops.log(keras.ops.take_along_axis(x, y[:, None], axis=-1)[:, 0])",
        "margin_logistic|ops.softplus": "keras.ops.softplus(-y * x)",
    },
    "sklearn": {
        "_loss.HalfBinomialLoss.loss": "sklearn._loss.HalfBinomialLoss().loss(y, x)",
        "_loss.HalfMultinomialLoss.loss":
            "sklearn._loss.HalfMultinomialLoss(n_classes=x.shape[1]).loss(y.astype(x.dtype), x)",
        "_loss.HalfMultinomialLoss.loss_gradient":
            "sklearn._loss.HalfMultinomialLoss(n_classes=x.shape[1]).loss_gradient(y.astype(x.dtype), x)[0]",
    },
    "scipy": {
        "sigmoid_bce|special.log_expit":
            "-(y * scipy.special.log_expit(x) + (1 - y) * scipy.special.log_expit(-x))",
        "margin_logistic|special.log_expit": "-scipy.special.log_expit(y * x)",
        "special.xlogy+sum": "-scipy.special.xlogy(y, x).sum(-1)",
        "special.xlogy+xlog1py": "-(scipy.special.xlogy(y, x) + scipy.special.xlog1py(1 - y, -x))",
        "special.rel_entr+sum": "scipy.special.rel_entr(y, x).sum(-1)",
        "softmax|special.softmax": "scipy.special.softmax(x, axis=-1)",
    },
    "native": {name: f"native.{name}(x, y)" for name in (
        "softmax_xent", "sigmoid_bce", "prob_bce", "margin_logistic")},
}  # fmt: skip


def expression(library: str, form: str, call: str) -> str:
    """The text of a call, "" where there is none."""
    known = EXPRESSIONS.get(library, {})
    return known.get(f"{form}|{call}") or known.get(call, "")
