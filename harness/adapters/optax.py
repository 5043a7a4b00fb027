"""Optax: the loss functions of the JAX ecosystem, on JAX's arrays, devices and modes.

Names are relative to `optax.`, with `losses.` only where the root does not export the function.
Functions that contain the cross-entropy as a documented special case are listed with the argument
that selects it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

from lossbench.harness.adapters.adapter import Call, Unsupported, unsupported
from lossbench.harness.adapters.jax import JaxAdapter


def _jnp() -> Any:
    import jax

    return jax.numpy


def _log_softmax(z: Any) -> Any:
    import jax

    return jax.nn.log_softmax(z)


@functools.cache
def _fenchel_young(optax: Any) -> Any:
    """The Fenchel-Young loss of logsumexp, logsumexp(z) - <y, z>: cross-entropy where y sums to exactly 1."""
    import jax

    return optax.losses.make_fenchel_young_loss(max_fun=jax.nn.logsumexp)


def _smoothed(optax: Any, z: Any, t: Any) -> Any:
    """Cross-entropy of smoothed one-hot labels, as optax's documentation composes it."""
    import jax

    labels = optax.smooth_labels(jax.nn.one_hot(t, z.shape[-1], dtype=z.dtype), alpha=0.1)
    return optax.softmax_cross_entropy(z, labels)


def _sigmoid_l2(optax: Any, z: Any, y: Any) -> Any:
    """(g(z) - y)^2 / 2: optax's l2_loss carries the factor 1/2, the sigmoid is JAX's."""
    import jax

    return optax.l2_loss(jax.nn.sigmoid(z), y)


_BINARY, _SOFT, _INDEX, _ONEHOT = ("binary",), ("binary", "soft"), ("index",), ("onehot",)
_ROWS = ("onehot", "soft")

CALLS: tuple[Call, ...] = (
    Call("softmax_xent", "softmax_cross_entropy",
         lambda optax, z, y: optax.softmax_cross_entropy(z, y), _ROWS),
    Call("softmax_xent", "safe_softmax_cross_entropy",
         lambda optax, z, y: optax.safe_softmax_cross_entropy(z, y), _ROWS),
    Call("softmax_xent", "softmax_cross_entropy_with_integer_labels",
         lambda optax, z, t: optax.softmax_cross_entropy_with_integer_labels(z, t), _INDEX),
    Call("softmax_xent", "smooth_labels(alpha=0.1)+softmax_cross_entropy", _smoothed, _INDEX,
         "label_smoothing=0.1", tier="default"),
    Call("softmax_xent", "losses.ranking_softmax_loss(reduce_fn=None)",
         lambda optax, z, y: optax.losses.ranking_softmax_loss(z, y, reduce_fn=None), _ROWS),
    Call("softmax_xent", "losses.poly_loss_cross_entropy(epsilon=0)",
         lambda optax, z, y: optax.losses.poly_loss_cross_entropy(z, y, epsilon=0.0), _ROWS),
    # One-hot only: soft labels that were rounded do not sum to exactly 1, and there this is another function.
    Call("softmax_xent", "losses.make_fenchel_young_loss(logsumexp)",
         lambda optax, z, y: _fenchel_young(optax)(z, y), _ONEHOT),
    # Divergences are cross-entropies of one-hot labels, whose entropy is zero: 0 * inf with log-targets.
    Call("prob_xent", "losses.kl_divergence",
         lambda optax, q, y: optax.losses.kl_divergence(_jnp().log(q), y), _ONEHOT),
    Call("softmax_xent", "losses.kl_divergence",
         lambda optax, z, y: optax.losses.kl_divergence(_log_softmax(z), y), _ONEHOT, tier="default"),
    Call("softmax_xent", "losses.generalized_kl_divergence",
         lambda optax, z, y: optax.losses.generalized_kl_divergence(_log_softmax(z), y), _ONEHOT, tier="default"),
    Call("softmax_xent", "losses.softmax_cross_entropy",
         lambda optax, z, y: optax.losses.softmax_cross_entropy(z, y), _ROWS, tier="full"),
    Call("sigmoid_bce", "losses.sigmoid_focal_loss(alpha=0.5, gamma=0)*2",
         lambda optax, z, y: 2 * optax.losses.sigmoid_focal_loss(z, y, alpha=0.5, gamma=0.0), _SOFT, tier="default"),
    Call("sigmoid_bce", "sigmoid_binary_cross_entropy",
         lambda optax, z, y: optax.sigmoid_binary_cross_entropy(z, y), _SOFT),
    Call("sigmoid_bce", "sigmoid_focal_loss(gamma=0)",
         lambda optax, z, y: optax.sigmoid_focal_loss(z, y, gamma=0.0), _SOFT),
    Call("multilabel_bce", "sigmoid_binary_cross_entropy+sum",
         lambda optax, z, y: optax.sigmoid_binary_cross_entropy(z, y).sum(-1), _SOFT),
    Call("multilabel_bce", "sigmoid_binary_cross_entropy+mean",
         lambda optax, z, y: optax.sigmoid_binary_cross_entropy(z, y).mean(-1), _SOFT, "over=mean"),
    Call("sigmoid_mse", "jax.nn.sigmoid+l2_loss", _sigmoid_l2, _SOFT),
    Call("bernoulli_log_likelihood", "sigmoid_binary_cross_entropy+sum",
         lambda optax, z, y: -optax.sigmoid_binary_cross_entropy(z, y).sum(-1), _BINARY),
)  # fmt: skip

_BLOCK = unsupported("optax has losses and optimisers; the building blocks are jax.nn's, see library jax.")


class OptaxAdapter(JaxAdapter):
    """Optax through JAX's verbs; calls receive the module `optax`."""

    library = "optax"
    requires: ClassVar[tuple[str, ...]] = ("optax", "jax")
    distribution = "optax"
    calls = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {
        "sigmoid": _BLOCK,
        "log_sigmoid": _BLOCK,
        "softplus": _BLOCK,
        "softmax": _BLOCK,
        "log_softmax": _BLOCK,
        "logsumexp": _BLOCK,
        "prob_xent:index": unsupported("optax's cross-entropies take logits, and its divergences distributions."),
        "prob_xent:soft": unsupported("optax's divergences subtract the entropy of a soft label."),
        "prob_bce": unsupported("optax's binary cross-entropies take logits, none takes a probability."),
        "margin_logistic": unsupported(
            "optax's losses for -1/+1 labels are hinge_loss and losses.perceptron_loss; none is logistic."
        ),
        "bernoulli_likelihood": unsupported("optax has log-losses only, no likelihood as a product."),
    }

    outside: ClassVar[Mapping[str, Unsupported]] = {
        "losses.kl_divergence_with_log_targets": unsupported("log-targets of a one-hot label are -inf: 0 * inf"),
        "losses.convex_kl_divergence": unsupported("a deprecated name of generalized_kl_divergence"),
        "losses.ntxent": unsupported("a contrastive loss of embeddings"),
    }

    def load(self) -> Any:
        """Set JAX up, import optax and return it."""
        super().load()
        import optax

        return optax


ADAPTER = OptaxAdapter()
