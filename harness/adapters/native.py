"""lossbench's own implementation, `lossbench.native`, by Numba kernels and by NumPy; bfloat16 through ml_dtypes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported

#: canonical option string -> the keywords that say the same to `lossbench.native`
KEYWORDS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "over=mean": {"over": "mean"},
    "normalized": {"normalized": True},
    "label_smoothing=0.1": {"label_smoothing": 0.1},
    "pos_weight=2.0": {"pos_weight": 2.0},
}


def _call(form: str, *encodings: str, options: str = "", tier: str = "quick") -> Call:
    """The call named like its form; `.grad` is the gradient of the sum, for vectors that of component 0."""
    keywords = KEYWORDS[options]
    return Call(
        form,
        form,
        lambda native, *a: getattr(native, form)(*a, **keywords),
        encodings or ("-",),
        options,
        lambda native, *a: getattr(native, form).grad(*a, **keywords),
        tier=tier,
    )


CALLS = (
    _call("prob_xent", "index", "onehot", "soft"),
    _call("prob_xent", "index", "onehot", "soft", options="normalized"),
    _call("softmax_xent", "index", "onehot", "soft"),
    _call("softmax_xent", "index", options="label_smoothing=0.1", tier="default"),
    _call("sigmoid_bce", "binary", "soft"),
    _call("sigmoid_bce", "binary", options="pos_weight=2.0", tier="default"),
    _call("multilabel_bce", "binary", "soft"),
    _call("multilabel_bce", "binary", "soft", options="over=mean"),
    _call("prob_bce", "binary", "soft"),
    _call("margin_logistic", "signed"),
    _call("sigmoid_mse", "binary", "soft"),
    _call("bernoulli_likelihood", "binary"),
    _call("bernoulli_log_likelihood", "binary"),
    _call("sigmoid"),
    _call("log_sigmoid"),
    _call("softplus"),
    _call("softmax"),
    _call("log_softmax"),
    _call("logsumexp"),
)


class NativeAdapter(Adapter):
    """lossbench.native on the CPU."""

    library = "native"
    requires = ("numpy", "ml_dtypes", "numba")
    distribution = "lossbench"
    modes = ("numba", "numpy")
    calls = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {}

    def load(self) -> Any:
        """Import lossbench.native."""
        return importlib.import_module("lossbench.native")

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Array:
        """The array itself; bfloat16 bits become ml_dtypes' format in place."""
        return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """The array itself; bfloat16 through float32, which holds it exactly."""
        array = np.asarray(tensor)
        if array.dtype.name == "bfloat16":
            return array.astype(np.float32).astype(np.float64), "bfloat16"
        return array, array.dtype.name

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """The form itself, or its `value_and_grad`, which shares the exponentials; as a user calls it where the
        mode is the one that native would choose by itself."""
        keywords = KEYWORDS[call.options]
        form = getattr(lib, call.form)
        function = form if work == "F" else form.value_and_grad
        if mode == lib.implementation()[0]:
            return functools.partial(function, **keywords)

        def run(*arrays: Array) -> Any:
            with lib.using(mode):
                return function(*arrays, **keywords)

        return run

    def prepared(self, lib: Any, call: Call, work: str, arrays: Sequence[Array]) -> Callable[[], Any]:
        """The same checked once, by `prepare`, and bound to these arrays: each use reads them anew and writes its
        results into the same buffers."""
        bound = getattr(lib, call.form).prepare(*arrays, **KEYWORDS[call.options])
        call_again: Callable[[], Any] = bound if work == "F" else bound.value_and_grad
        return call_again


ADAPTER = NativeAdapter()
