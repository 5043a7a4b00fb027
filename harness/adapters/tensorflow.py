"""TensorFlow: the fused cross-entropy ops of `tf.nn`, the losses of `tf.compat.v1`, and compositions.

Names are relative to `tf.`; names that are one function are listed once, under `nn` where it is there
(`math.sigmoid` is `nn.sigmoid`, and so for softplus, softmax and log_softmax). Modes: "eager";
"graph" is `tf.function`; "xla" is `tf.function(jit_compile=True)`. Each traces once per shape.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported, unsupported


def _tensorflow() -> Any:
    """The module `tensorflow`, imported at the first call."""
    import tensorflow

    return tensorflow


def _v1(tf: Any, name: str, *arguments: Any) -> Any:
    """A loss of `tf.compat.v1.losses`, unreduced. They all end in a cast to float32 and back."""
    losses = tf.compat.v1.losses
    return getattr(losses, name)(*arguments, reduction=losses.Reduction.NONE)


def _bce(tf: Any, z: Any, y: Any) -> Any:
    """`nn.sigmoid_cross_entropy_with_logits`, which takes its arguments by name only, elementwise."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)


def _xlogy_bce(tf: Any, p: Any, y: Any) -> Any:
    """-(y log p + (1-y) log(1-p)) with 0 log 0 = 0, elementwise."""
    return -(tf.math.xlogy(y, p) + tf.math.xlog1py(1 - y, -p))


_BINARY, _SOFT, _SIGNED, _INDEX = ("binary",), ("binary", "soft"), ("signed",), ("index",)
_ROWS, _ONEHOT = ("onehot", "soft"), ("onehot",)

CALLS: tuple[Call, ...] = (
    Call("sigmoid", "nn.sigmoid", lambda tf, x: tf.nn.sigmoid(x)),
    Call("log_sigmoid", "math.log_sigmoid", lambda tf, x: tf.math.log_sigmoid(x)),
    Call("softplus", "nn.softplus", lambda tf, x: tf.nn.softplus(x)),
    Call("softmax", "nn.softmax", lambda tf, x: tf.nn.softmax(x)),
    Call("log_softmax", "nn.log_softmax", lambda tf, x: tf.nn.log_softmax(x)),
    Call("logsumexp", "math.reduce_logsumexp", lambda tf, x: tf.math.reduce_logsumexp(x, -1)),
    Call("prob_xent", "math.xlogy+reduce_sum",
         lambda tf, q, y: -tf.reduce_sum(tf.math.xlogy(y, q), -1), _ROWS),
    Call("prob_xent", "gather+math.log",
         lambda tf, q, t: -tf.math.log(tf.gather(q, t, batch_dims=1)), _INDEX),
    Call("softmax_xent", "nn.softmax_cross_entropy_with_logits",
         lambda tf, z, y: tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=z), _ROWS),
    Call("softmax_xent", "nn.sparse_softmax_cross_entropy_with_logits",
         lambda tf, z, t: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=t, logits=z), _INDEX),
    Call("softmax_xent", "compat.v1.losses.softmax_cross_entropy",
         lambda tf, z, y: _v1(tf, "softmax_cross_entropy", y, z), _ONEHOT),
    Call("softmax_xent", "compat.v1.losses.sparse_softmax_cross_entropy",
         lambda tf, z, t: _v1(tf, "sparse_softmax_cross_entropy", t, z), _INDEX),
    Call("sigmoid_bce", "nn.sigmoid_cross_entropy_with_logits", _bce, _SOFT),
    Call("sigmoid_bce", "nn.weighted_cross_entropy_with_logits(pos_weight=2)",
         lambda tf, z, y: tf.nn.weighted_cross_entropy_with_logits(labels=y, logits=z, pos_weight=2), _BINARY,
         "pos_weight=2.0", tier="default"),
    Call("sigmoid_bce", "nn.weighted_cross_entropy_with_logits(pos_weight=1)",
         lambda tf, z, y: tf.nn.weighted_cross_entropy_with_logits(labels=y, logits=z, pos_weight=1), _SOFT),
    Call("sigmoid_bce", "compat.v1.losses.sigmoid_cross_entropy",
         lambda tf, z, y: _v1(tf, "sigmoid_cross_entropy", y, z), _BINARY),
    Call("multilabel_bce", "nn.sigmoid_cross_entropy_with_logits+reduce_sum",
         lambda tf, z, y: tf.reduce_sum(_bce(tf, z, y), -1), _SOFT),
    Call("multilabel_bce", "nn.sigmoid_cross_entropy_with_logits+reduce_mean",
         lambda tf, z, y: tf.reduce_mean(_bce(tf, z, y), -1), _SOFT, "over=mean"),
    Call("prob_bce", "math.xlogy+math.xlog1py", _xlogy_bce, _SOFT),
    # Adds epsilon = 1e-7 to both arguments of log, documented; computes in float32, not documented.
    Call("prob_bce", "compat.v1.losses.log_loss", lambda tf, p, y: _v1(tf, "log_loss", y, p), _SOFT),
    Call("softmax_xent", "compat.v1.nn.softmax_cross_entropy_with_logits",
         lambda tf, z, y: tf.compat.v1.nn.softmax_cross_entropy_with_logits(labels=y, logits=z), _ROWS, tier="full"),
    Call("softmax_xent", "compat.v1.nn.softmax_cross_entropy_with_logits_v2",
         lambda tf, z, y: tf.compat.v1.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=z), _ROWS, tier="full"),
    Call("softmax_xent", "compat.v1.nn.sparse_softmax_cross_entropy_with_logits",
         lambda tf, z, t: tf.compat.v1.nn.sparse_softmax_cross_entropy_with_logits(labels=t, logits=z), _INDEX,
         tier="full"),
    Call("sigmoid_bce", "compat.v1.nn.sigmoid_cross_entropy_with_logits",
         lambda tf, z, y: tf.compat.v1.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z), _SOFT, tier="full"),
    Call("sigmoid_bce", "compat.v1.nn.weighted_cross_entropy_with_logits(pos_weight=1)",
         lambda tf, z, y: tf.compat.v1.nn.weighted_cross_entropy_with_logits(labels=y, logits=z, pos_weight=1.0),
         _SOFT, tier="full"),
    Call("softmax_xent", "nn.log_softmax+reduce_sum",
         lambda tf, z, y: -tf.reduce_sum(y * tf.nn.log_softmax(z), -1), _ROWS, tier="default"),
    Call("margin_logistic", "math.log_sigmoid", lambda tf, z, y: -tf.math.log_sigmoid(y * z), _SIGNED, tier="default"),
    Call("margin_logistic", "nn.softplus", lambda tf, z, y: tf.nn.softplus(-y * z), _SIGNED),
    Call("sigmoid_mse", "nn.sigmoid+math.squared_difference",
         lambda tf, z, y: tf.math.squared_difference(tf.nn.sigmoid(z), y) / 2, _SOFT),
    Call("bernoulli_likelihood", "nn.sigmoid+reduce_prod",
         lambda tf, z, y: tf.reduce_prod(tf.nn.sigmoid((2 * y - 1) * z), -1), _BINARY),
    Call("bernoulli_log_likelihood", "math.log_sigmoid+reduce_sum",
         lambda tf, z, y: tf.reduce_sum(tf.math.log_sigmoid((2 * y - 1) * z), -1), _BINARY),
)  # fmt: skip


class TensorFlowAdapter(Adapter):
    """TensorFlow 2 on its CPU or GPU devices, with its own defaults for threads and oneDNN kernels."""

    library = "tensorflow"
    requires: ClassVar[tuple[str, ...]] = ("tensorflow",)
    distribution = "tensorflow"
    modes = ("eager", "graph", "xla")
    calls = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {}
    outside: ClassVar[Mapping[str, Unsupported]] = {
        **{f"nn.{name}": unsupported("it owns weights and draws classes: no function of logits and labels")
           for name in ("nce_loss", "sampled_softmax_loss")},
        "nn.softsign": unsupported("another function: it shares letters with a form"),
        "math.softsign": unsupported("another function: it shares letters with a form"),
        "math.cumulative_logsumexp": unsupported("a running sum, no reduction"),
    }
    environ: ClassVar[Mapping[str, str]] = {"TF_CPP_MIN_LOG_LEVEL": "3"}

    def version(self) -> str:
        """Version of `tensorflow`, or of `tensorflow-cpu`, which installs the same module."""
        try:
            return super().version()
        except importlib.metadata.PackageNotFoundError:
            return importlib.metadata.version(f"{self.distribution}-cpu")

    def load(self) -> Any:
        """Import TensorFlow and return the module. Threads and numerics stay at their defaults."""
        tf = _tensorflow()
        # A call is traced once for each shape on purpose; TensorFlow logs that as a mistake.
        tf.get_logger().setLevel("ERROR")
        return tf

    def devices(self, lib: Any) -> dict[str, str]:
        """The CPU always; CUDA when this build finds a GPU."""
        tf = _tensorflow()
        if tf.config.list_physical_devices("GPU"):
            reason = ""
        elif tf.test.is_built_with_cuda():
            reason = "TensorFlow is built with CUDA but finds no GPU."
        else:
            reason = "This TensorFlow is a build without CUDA."
        return {"cpu": "", "cuda": reason}

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Any:
        """Copy to the device. Raises TypeError when TensorFlow would change the dtype."""
        tf = _tensorflow()
        source = array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array
        with tf.device({"cpu": "/CPU:0", "cuda": "/GPU:0"}[device]):
            # A copy of our own: an eager tensor may alias the NumPy buffer, which the caller still owns.
            tensor = tf.constant(np.array(source, order="C"))
        if tensor.dtype.name != dtype:
            raise TypeError(f"put {dtype}, but TensorFlow holds {tensor.dtype.name}")
        return tensor

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """Values as float64, which holds each narrower format exactly, and the dtype that came back."""
        return tensor.numpy().astype(np.float64), str(tensor.dtype.name)

    def sync(self, lib: Any, tensor: Any) -> None:
        """On the CPU every mode returns when it is done, TensorFlow's default; a GPU stream is waited for."""
        first = tensor[0] if isinstance(tensor, tuple) else tensor
        if "GPU" in first.device:
            _tensorflow().test.experimental.sync_devices()

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """Build the call; in "graph" and "xla" the gradient tape is inside the function that is compiled."""
        tf = _tensorflow()

        def value(x: Any, *labels: Any) -> Any:
            return call.fn(lib, x, *labels)

        def value_and_gradient(x: Any, *labels: Any) -> tuple[Any, Any]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                out = call.fn(lib, x, *labels)
                # The tape differentiates the sum of what it is given.
                target = out[..., 0] if vector else out
            return out, tape.gradient(target, x)

        # AutoGraph would only rewrite Python branches and loops, and no call has any.
        compiled = functools.partial(tf.function, autograph=False)
        wraps: dict[str, Callable[..., Any]] = {
            "eager": lambda fn: fn,
            "graph": compiled,
            "xla": functools.partial(compiled, jit_compile=True),
        }
        built: Callable[..., Any] = wraps[mode]({"F": value, "FB": value_and_gradient}[work])
        if not tf.config.list_physical_devices("GPU"):
            return built

        def on_the_device_of_x(x: Any, *labels: Any) -> Any:
            # With a GPU present TensorFlow runs every op there, wherever its inputs lie.
            with tf.device(x.device):
                return built(x, *labels)

        return on_the_device_of_x


ADAPTER = TensorFlowAdapter()
