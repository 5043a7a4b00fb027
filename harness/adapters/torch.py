"""PyTorch: the public losses of `torch.nn.functional` and `torch.distributions`, eager and compiled.

Modules (`nn.CrossEntropyLoss`, ...) only call these functions: they are measured in the full tier. `kl_div` gives
H(y, q) - H(y), which is the cross-entropy of a one-hot label. `linear_cross_entropy` owns a matrix product: it is
fed one feature that is 1, so that its weights are the logits, a row at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, unsupported

INDEX, ONEHOT, BINARY, SIGNED = ("index",), ("onehot",), ("binary",), ("signed",)
SOFT_CLASSES, SOFT = ("onehot", "soft"), ("binary", "soft")
ONE_ROW = unsupported("fed one row at a time, it would be compiled for shapes that nobody uses")


def _bce(t: Any, z: Any, y: Any) -> Any:
    return t.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")


def _bernoulli(t: Any, y: Any, **parameter: Any) -> Any:
    """Log-likelihood of y. Argument checks are off here and below: a NaN gives a result, not a ValueError."""
    return t.distributions.Bernoulli(**parameter, validate_args=False).log_prob(y)


def _categorical(t: Any, y: Any, **parameter: Any) -> Any:
    return t.distributions.Categorical(**parameter, validate_args=False).log_prob(y)


def _onehot_categorical(t: Any, y: Any, **parameter: Any) -> Any:
    return t.distributions.OneHotCategorical(**parameter, validate_args=False).log_prob(y)


def _kl_div(t: Any, logs: Any, y: Any) -> Any:
    """D(y, q) from log q, summed over the classes."""
    return t.nn.functional.kl_div(logs, y, reduction="none").sum(-1)


def _linear(t: Any, z: Any, y: Any) -> Any:
    """Cross-entropy of one row: the product of its logits, as weights, with a single feature 1 is exact."""
    feature = t.ones((1, 1), dtype=z.dtype, device=z.device)
    return t.nn.functional.linear_cross_entropy(feature, z.reshape(-1, 1), y, reduction="none")


def _module(form: str, name: str, encodings: tuple[str, ...], options: str = "") -> Call:
    """A loss class of `torch.nn`, unreduced; `name` is the attribute path."""
    return Call(
        form, name, lambda t, x, y: getattr(t.nn, name.removeprefix("nn."))(reduction="none")(x, y), encodings, options,
        tier="full",
    )  # fmt: skip


def _cross_entropy(t: Any, z: Any, y: Any) -> Any:
    """An integer y is a class index, a floating-point y of z's shape is a distribution."""
    return t.nn.functional.cross_entropy(z, y, reduction="none")


# What the documentation states: `Categorical(probs)` divides by the sum of the probabilities,
# `binary_cross_entropy` clamps its logarithms at -100, `softplus` is linear above 20.
CALLS = (
    Call("prob_xent", "log+nll_loss",
         lambda t, q, y: t.nn.functional.nll_loss(t.log(q), y, reduction="none"), INDEX),
    Call("prob_xent", "special.xlogy+sum", lambda t, q, y: -t.special.xlogy(y, q).sum(-1), SOFT_CLASSES),
    Call("prob_xent", "distributions.Categorical(probs).log_prob",
         lambda t, q, y: -_categorical(t, y, probs=q), INDEX, "normalized"),
    Call("prob_xent", "distributions.OneHotCategorical(probs).log_prob",
         lambda t, q, y: -_onehot_categorical(t, y, probs=q), ONEHOT, "normalized"),
    Call("softmax_xent", "nn.functional.cross_entropy", _cross_entropy, INDEX + SOFT_CLASSES),
    Call("softmax_xent", "nn.functional.cross_entropy(label_smoothing=0.1)",
         lambda t, z, y: t.nn.functional.cross_entropy(z, y, reduction="none", label_smoothing=0.1), INDEX,
         "label_smoothing=0.1", tier="default"),
    Call("softmax_xent", "log_softmax+nll_loss",
         lambda t, z, y: t.nn.functional.nll_loss(t.log_softmax(z, -1), y, reduction="none"), INDEX),
    Call("softmax_xent", "distributions.Categorical(logits).log_prob",
         lambda t, z, y: -_categorical(t, y, logits=z), INDEX),
    Call("softmax_xent", "distributions.OneHotCategorical(logits).log_prob",
         lambda t, z, y: -_onehot_categorical(t, y, logits=z), ONEHOT),
    Call("prob_xent", "log+nn.functional.kl_div+sum",
         lambda t, q, y: _kl_div(t, t.log(q), y), ONEHOT, tier="default"),
    Call("softmax_xent", "log_softmax+nn.functional.kl_div+sum",
         lambda t, z, y: _kl_div(t, t.log_softmax(z, -1), y), ONEHOT, tier="default"),
    Call("softmax_xent", "log_softmax+nn.KLDivLoss+sum",
         lambda t, z, y: t.nn.KLDivLoss(reduction="none")(t.log_softmax(z, -1), y).sum(-1), ONEHOT, tier="full"),
    Call("softmax_xent", "nn.functional.linear_cross_entropy", _linear, INDEX, rowwise=True, tier="full",
         lacks={"compile": ONE_ROW, "compile-max-autotune": ONE_ROW}),
    _module("softmax_xent", "nn.CrossEntropyLoss", INDEX + SOFT_CLASSES),
    Call("softmax_xent", "log_softmax+nn.NLLLoss",
         lambda t, z, y: t.nn.NLLLoss(reduction="none")(t.log_softmax(z, -1), y), INDEX, tier="full"),
    _module("sigmoid_bce", "nn.BCEWithLogitsLoss", SOFT),
    _module("prob_bce", "nn.BCELoss", SOFT),
    _module("margin_logistic", "nn.SoftMarginLoss", SIGNED),
    _module("multilabel_bce", "nn.MultiLabelSoftMarginLoss", BINARY, "over=mean"),
    Call("sigmoid_bce", "nn.functional.binary_cross_entropy_with_logits", _bce, SOFT),
    Call("sigmoid_bce", "nn.functional.binary_cross_entropy_with_logits(pos_weight=2)",
         lambda t, z, y: t.nn.functional.binary_cross_entropy_with_logits(
             z, y, reduction="none", pos_weight=t.full((), 2.0, dtype=z.dtype, device=z.device)), BINARY,
         "pos_weight=2.0", tier="default"),
    Call("sigmoid_bce", "distributions.Bernoulli(logits).log_prob",
         lambda t, z, y: -_bernoulli(t, y, logits=z), BINARY),
    Call("multilabel_bce", "nn.functional.binary_cross_entropy_with_logits+sum",
         lambda t, z, y: _bce(t, z, y).sum(-1), SOFT),
    Call("multilabel_bce", "nn.functional.binary_cross_entropy_with_logits+mean",
         lambda t, z, y: _bce(t, z, y).mean(-1), SOFT, "over=mean"),
    # its documentation has y in {0, 1}: soft labels are not claimed
    Call("multilabel_bce", "nn.functional.multilabel_soft_margin_loss",
         lambda t, z, y: t.nn.functional.multilabel_soft_margin_loss(z, y, reduction="none"),
         BINARY, "over=mean"),
    Call("prob_bce", "nn.functional.binary_cross_entropy",
         lambda t, p, y: t.nn.functional.binary_cross_entropy(p, y, reduction="none"), SOFT),
    Call("prob_bce", "special.xlogy+xlog1py",
         lambda t, p, y: -(t.special.xlogy(y, p) + t.special.xlog1py(1 - y, -p)), SOFT),
    Call("prob_bce", "distributions.Bernoulli(probs).log_prob",
         lambda t, p, y: -_bernoulli(t, y, probs=p), BINARY),
    Call("margin_logistic", "nn.functional.soft_margin_loss",
         lambda t, z, y: t.nn.functional.soft_margin_loss(z, y, reduction="none"), SIGNED),
    Call("margin_logistic", "nn.functional.softplus",
         lambda t, z, y: t.nn.functional.softplus(-y * z), SIGNED),
    Call("margin_logistic", "nn.functional.logsigmoid",
         lambda t, z, y: -t.nn.functional.logsigmoid(y * z), SIGNED),
    Call("sigmoid_mse", "sigmoid+mse_loss",
         lambda t, z, y: 0.5 * t.nn.functional.mse_loss(t.sigmoid(z), y, reduction="none"), SOFT),
    Call("bernoulli_log_likelihood", "distributions.Bernoulli(logits).log_prob+sum",
         lambda t, z, y: _bernoulli(t, y, logits=z).sum(-1), BINARY),
    Call("bernoulli_log_likelihood", "nn.functional.binary_cross_entropy_with_logits+sum",
         lambda t, z, y: -_bce(t, z, y).sum(-1), BINARY),
    Call("sigmoid", "sigmoid", lambda t, x: t.sigmoid(x)),
    Call("sigmoid", "special.expit", lambda t, x: t.special.expit(x)),
    Call("log_sigmoid", "nn.functional.logsigmoid", lambda t, x: t.nn.functional.logsigmoid(x)),
    Call("softplus", "nn.functional.softplus", lambda t, x: t.nn.functional.softplus(x)),
    Call("softplus", "logaddexp", lambda t, x: t.logaddexp(x, t.zeros_like(x))),
    Call("sigmoid", "nn.functional.sigmoid", lambda t, x: t.nn.functional.sigmoid(x), tier="full"),
    Call("log_sigmoid", "nn.LogSigmoid", lambda t, x: t.nn.LogSigmoid()(x), tier="full"),
    Call("softplus", "nn.Softplus", lambda t, x: t.nn.Softplus()(x), tier="full"),
    Call("softmax", "nn.functional.softmax", lambda t, x: t.nn.functional.softmax(x, -1), tier="full"),
    Call("log_softmax", "nn.functional.log_softmax", lambda t, x: t.nn.functional.log_softmax(x, -1), tier="full"),
    Call("sigmoid", "nn.Sigmoid", lambda t, x: t.nn.Sigmoid()(x), tier="full"),
    Call("softmax", "nn.Softmax", lambda t, x: t.nn.Softmax(-1)(x), tier="full"),
    Call("log_softmax", "nn.LogSoftmax", lambda t, x: t.nn.LogSoftmax(-1)(x), tier="full"),
    Call("softmax", "softmax", lambda t, x: t.softmax(x, -1)),
    Call("softmax", "special.softmax", lambda t, x: t.special.softmax(x, -1)),
    Call("log_softmax", "log_softmax", lambda t, x: t.log_softmax(x, -1)),
    Call("log_softmax", "special.log_softmax", lambda t, x: t.special.log_softmax(x, -1)),
    Call("logsumexp", "logsumexp", lambda t, x: t.logsumexp(x, -1)),
    Call("logsumexp", "special.logsumexp", lambda t, x: t.special.logsumexp(x, -1)),
)  # fmt: skip

#: Names below `torch.nn`, `torch.nn.functional` and `torch.special` of no form here.
OUTSIDE = {
    "nn.AdaptiveLogSoftmaxWithLoss": unsupported("it owns weights of clusters of classes: no function of logits"),
    "nn.LinearCrossEntropyLoss": unsupported("it owns its weights; its function linear_cross_entropy is measured"),
    "nn.LinearCrossEntropyOptions": unsupported("settings of linear_cross_entropy, no function"),
    "nn.NLLLoss2d": unsupported("a deprecated name of nn.NLLLoss"),
    "nn.Softmax2d": unsupported("nn.Softmax over the channels of an image"),
    **{name: unsupported("a Poisson or Gaussian likelihood, no cross-entropy of labels") for name in (
        "nn.PoissonNLLLoss", "nn.GaussianNLLLoss", "nn.functional.poisson_nll_loss",
        "nn.functional.gaussian_nll_loss")},
    "nn.functional.gumbel_softmax": unsupported("it draws random numbers"),
    "nn.functional.hardsigmoid": unsupported("piecewise linear, no sigmoid"),
    "special.entr": unsupported("the entropy of one distribution"),
    **{name: unsupported("another function: it shares letters with a form") for name in (
        "nn.Softmin", "nn.Softshrink", "nn.Softsign", "nn.functional.softmin", "nn.functional.softshrink",
        "nn.functional.softsign", "nn.Hardsigmoid")},
}  # fmt: skip
MISSING = {"bernoulli_likelihood": unsupported("torch.distributions gives log-probabilities only")}


class TorchAdapter(Adapter):
    """PyTorch on the CPU or a CUDA device."""

    library = "torch"
    requires = ("torch",)
    distribution = "torch"
    modes = ("eager", "compile", "compile-max-autotune")
    calls = CALLS
    missing = MISSING
    outside = OUTSIDE

    def load(self) -> Any:
        """Import torch."""
        import torch

        return torch

    def devices(self, lib: Any) -> dict[str, str]:
        """The CPU, and CUDA when torch finds a device."""
        if lib.cuda.is_available():
            return {"cpu": "", "cuda": ""}
        if lib.version.cuda is None:
            return {"cpu": "", "cuda": "this build of PyTorch has no CUDA"}
        return {"cpu": "", "cuda": "PyTorch finds no CUDA device or no driver for it"}

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Any:
        """Share the array's memory on the CPU, so that its bits and its alignment stay; copy it elsewhere."""
        if dtype == "bfloat16":
            array = array.view(np.int16)  # NumPy itself has no bfloat16; two-byte integers pass
        with warnings.catch_warnings():
            # torch cannot mark a tensor read-only, and warns; no call of the table writes to its inputs
            warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
            tensor = lib.from_numpy(array)
        if dtype == "bfloat16":
            tensor = tensor.view(lib.bfloat16)
        return tensor.to(device)

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """NumPy has every format of torch but bfloat16, which float32 holds exactly."""
        tensor = tensor.detach().cpu()
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype == "bfloat16":
            return tensor.to(lib.float32).numpy().astype(np.float64), dtype
        return tensor.numpy(), dtype

    def sync(self, lib: Any, tensor: Any) -> None:
        """Wait for the CUDA stream; operations on the CPU are finished when they return."""
        if lib.cuda.is_initialized():
            lib.cuda.synchronize()

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """Value under `no_grad`, or value and `torch.autograd.grad`, eager or through `torch.compile`.

        Only the value is compiled, as in user code: AOTAutograd compiles its backward with it. More than
        eight shapes raise FailOnRecompileLimitHit, because `fullgraph=True` forbids the fall back to eager.
        """
        fn = partial(call.fn, lib)
        if mode != "eager":
            lib.compiler.reset()  # an earlier cell's shapes would count against this one's limit
            # no CUDA graphs: the CPU has none, and they reuse the memory of earlier results
            tuning = {} if mode == "compile" else {"mode": "max-autotune-no-cudagraphs"}
            fn = lib.compile(fn, dynamic=False, fullgraph=True, **tuning)

        def value(x: Any, *labels: Any) -> Any:
            with lib.no_grad():
                return fn(x, *labels)

        def value_and_grad(x: Any, *labels: Any) -> tuple[Any, Any]:
            x = x.detach().requires_grad_()
            out = fn(x, *labels)
            cotangent = lib.ones_like(out)
            if vector:
                cotangent[..., 1:] = 0
            (grad,) = lib.autograd.grad(out, x, cotangent)
            return out, grad

        return value if work == "F" else value_and_grad


ADAPTER = TorchAdapter()
