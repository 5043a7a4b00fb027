"""The calls with arguments that are held against the named formulas, in each library's own terms."""

from __future__ import annotations

from lossbench.harness.semantics.formulas import arrays
from lossbench.harness.semantics.texts import expression

_F = "torch.nn.functional."
_V1 = "tf.compat.v1.losses."


def _ort(said: str, *inputs: str, z: str = "z") -> str:
    """SoftmaxCrossEntropyLoss with attributes, over logits and further inputs."""
    named = (z, *inputs)
    text = f"out = SoftmaxCrossEntropyLoss<{said}>({', '.join(named)})"
    return expression("onnxruntime", text, {name: arrays()[name] for name in named})


def _weighted(logits: str) -> str:
    return f"{_F}binary_cross_entropy_with_logits({logits}, b1, pos_weight=torch.tensor(0.), reduction='none')"


def _sparse(reduction: str) -> str:
    return f"keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100, reduction={reduction!r})"


#: library -> question -> expressions that ask it.
EXPRESSIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "torch": {
        "label smoothing": (f"{_F}cross_entropy(z, t, label_smoothing=0.25, reduction='none')",
                            f"{_F}cross_entropy(z, y, label_smoothing=0.25, reduction='none')"),
        "smoothing with weights": (f"{_F}cross_entropy(z, t, weight=w, label_smoothing=0.25, reduction='none')",
                                   f"{_F}cross_entropy(z, y, weight=w, label_smoothing=0.25, reduction='none')"),
        "class weights": (f"{_F}cross_entropy(z, t, weight=w)", f"{_F}cross_entropy(z, y, weight=w)",
                          f"{_F}nll_loss(torch.log_softmax(z, -1), t, weight=w)"),
        "ignored rows": (f"{_F}cross_entropy(z, ti)", f"{_F}nll_loss(torch.log_softmax(z, -1), ti)"),
        "all ignored": (f"{_F}cross_entropy(z, ta)", f"{_F}nll_loss(torch.log_softmax(z, -1), ta)"),
        "pos_weight": (f"{_F}binary_cross_entropy_with_logits(v, b, pos_weight=torch.tensor(3.), reduction='none')",),
        "mean of K outputs": (f"{_F}binary_cross_entropy_with_logits(z, bk)",
                              f"{_F}multilabel_soft_margin_loss(z, bk)"),
        "default mean": (f"{_F}cross_entropy(z, t)",),
        "sum": (f"{_F}cross_entropy(z, t, reduction='sum')",),
        "default arguments": (
            f"{_F}cross_entropy(z, t, weight=None, ignore_index=-100, label_smoothing=0.0, reduction='none')",),
        "divergence": (f"{_F}kl_div(torch.log_softmax(z, -1), y)",
                       f"{_F}kl_div(torch.log_softmax(z, -1), y, reduction='batchmean')"),
        "an ignored row of NaN": (f"{_F}cross_entropy(zn, tn, reduction='none')",),
        "weight 0 of a masked class": (f"{_F}cross_entropy(zm, t1, weight=w2, reduction='none')",),
        "smoothing onto a masked class": (f"{_F}cross_entropy(zm, t0, label_smoothing=0.5, reduction='none')",),
        "pos_weight 0 at -inf": (_weighted("vi"),),
        "pos_weight 0 at NaN": (_weighted("vn"),),
        "rows of q": (f"{_F}nll_loss(q2.log(), t, reduction='none')",
                      "-torch.distributions.Categorical(probs=q2).log_prob(t)"),
    },
    "optax": {
        "label smoothing": ("optax.softmax_cross_entropy(z, optax.smooth_labels(y, 0.25))",),
        "default mean": ("optax.losses.ranking_softmax_loss(z, y)",
                         "optax.softmax_cross_entropy_with_integer_labels(z, t)"),
        "default arguments": ("optax.softmax_cross_entropy_with_integer_labels(z, t, axis=-1, where=None)",),
    },
    "tensorflow": {
        "label smoothing": (f"{_V1}softmax_cross_entropy(y, z, label_smoothing=0.25, reduction='none')",),
        "binary label smoothing": (f"{_V1}sigmoid_cross_entropy(b, v, label_smoothing=0.25, reduction='none')",),
        "sample weights": (f"{_V1}sparse_softmax_cross_entropy(t, z, weights=s)",
                           f"{_V1}sparse_softmax_cross_entropy(t, z, weights=s, reduction='weighted_mean')",
                           f"{_V1}sparse_softmax_cross_entropy(t, z, weights=s,"
                           " reduction='weighted_sum_over_batch_size')"),
        "pos_weight": ("tf.nn.weighted_cross_entropy_with_logits(labels=b, logits=v, pos_weight=3.0)",),
        "smoothing onto a masked class": (
            f"{_V1}softmax_cross_entropy(y0, zm, label_smoothing=0.5, reduction='none')",),
        "smoothing at +inf": (f"{_V1}sigmoid_cross_entropy(b1, vp, label_smoothing=0.5, reduction='none')",),
        "pos_weight 0 at -inf": ("tf.nn.weighted_cross_entropy_with_logits(labels=b1, logits=vi, pos_weight=0.0)",),
        "pos_weight 0 at NaN": ("tf.nn.weighted_cross_entropy_with_logits(labels=b1, logits=vn, pos_weight=0.0)",),
        "mean of K outputs": (f"{_V1}sigmoid_cross_entropy(bk, z)",),
        "default mean": (f"{_V1}sparse_softmax_cross_entropy(t, z)",),
        "sum": (f"{_V1}sparse_softmax_cross_entropy(t, z, reduction='weighted_sum')",),
        "default arguments": (f"{_V1}softmax_cross_entropy(y, z, weights=1.0, label_smoothing=0, reduction='none')",),
    },
    "keras": {
        "label smoothing": (
            "keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.25, reduction='none')(y, z)",
            "keras.losses.categorical_crossentropy(y, z, from_logits=True, label_smoothing=0.25)"),
        "binary label smoothing": (
            "keras.losses.binary_crossentropy(b[:, None], v[:, None], from_logits=True, label_smoothing=0.25)",),
        "sample weights": (
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)(t, z, sample_weight=s)",
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction='mean_with_sample_weight')"
            "(t, z, sample_weight=s)"),
        "ignored rows": (f"{_sparse('sum_over_batch_size')}(ti, z)", f"{_sparse('mean_with_sample_weight')}(ti, z)"),
        "all ignored": (f"{_sparse('sum_over_batch_size')}(ta, z)", f"{_sparse('mean_with_sample_weight')}(ta, z)"),
        "an ignored row of NaN": (f"{_sparse('none')}(tn, zn)",),
        "smoothing onto a masked class": (
            "keras.losses.categorical_crossentropy(y0, zm, from_logits=True, label_smoothing=0.5)",),
        "smoothing at +inf": (
            "keras.losses.binary_crossentropy(b1[:, None], vp[:, None], from_logits=True, label_smoothing=0.5)",),
        "mean of K outputs": ("keras.losses.BinaryCrossentropy(from_logits=True)(bk, z)",),
        "default mean": ("keras.losses.SparseCategoricalCrossentropy(from_logits=True)(t, z)",),
        "sum": ("keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction='sum')(t, z)",),
        "default arguments": ("keras.losses.sparse_categorical_crossentropy(t, z, from_logits=True, axis=-1)",),
        "rows of q": ("keras.losses.sparse_categorical_crossentropy(t, q2)",
                      "keras.losses.categorical_crossentropy(y, q2)",
                      "keras.losses.CategoricalCrossentropy(reduction='none')(y, q2)"),
    },
    "sklearn": {
        "sample weights": (
            "sklearn.metrics.log_loss(t, np.exp(z) / np.exp(z).sum(-1, keepdims=True), sample_weight=s)",
            "sklearn._loss.HalfMultinomialLoss(n_classes=3)(t.astype('float32'), z, sample_weight=s)"),
        "default mean": ("sklearn._loss.HalfMultinomialLoss(n_classes=3)(t.astype('float32'), z)",),
        "rows of q": ("np.array([sklearn.metrics.log_loss(t[i:i+1], q2[i:i+1], labels=[0, 1, 2]) for i in range(4)])",),
    },
    "onnxruntime": {
        "class weights": (_ort('reduction="mean"', "t", "w"),),
        "ignored rows": (_ort('reduction="mean", ignore_index=-100', "ti"),),
        "all ignored": (_ort('reduction="mean", ignore_index=-100', "ta"),),
        "an ignored row of NaN": (_ort('reduction="none", ignore_index=-100', "tn", z="zn"),),
        "weight 0 of a masked class": (_ort('reduction="none"', "t1", "w2", z="zm"),),
        "default mean": (_ort('reduction="mean"', "t"),),
        "sum": (_ort('reduction="sum"', "t"),),
    },
    "native": {
        "an ignored row of NaN": ("native.softmax_xent(zn, tn, ignore_index=-100)",),
        "weight 0 of a masked class": ("native.softmax_xent(zm, t1, weight=w2)",),
        "smoothing onto a masked class": ("native.softmax_xent(zm, t0, label_smoothing=0.5)",),
        "pos_weight 0 at -inf": ("native.sigmoid_bce(vi, b1, pos_weight=0.0)",),
        "pos_weight 0 at NaN": ("native.sigmoid_bce(vn, b1, pos_weight=0.0)",),
        "smoothing at +inf": ("native.sigmoid_bce(vp, b1, label_smoothing=0.5)",),
        "rows of q": ("native.prob_xent(q2, t)", "native.prob_xent(q2, t, normalized=True)"),
        "default mean": ("native.softmax_xent(z, t, reduction='mean')",),
        "sum": ("native.softmax_xent(z, t, reduction='sum')",),
        "mean of K outputs": ("native.multilabel_bce(z, bk, reduction='mean')",),
        "default arguments": ("native.softmax_xent(z, t, reduction='none')",),
    },
    "jax": {"rows of q": ("-jax.scipy.special.xlogy(y, q2).sum(-1)",)},
    "scipy": {"rows of q": ("-scipy.special.xlogy(y, q2).sum(-1)",)},
}  # fmt: skip
