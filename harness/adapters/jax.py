"""JAX: `jax.nn` and `jax.scipy`, and the compositions of them that stand in for a loss.

JAX has building blocks and no losses (those are optax's). Its functions dispatch one compiled kernel
per primitive when called as they are ("eager"), or become one XLA program under `jax.jit` ("jit").
Names are relative to `jax.`; `scipy.special.logsumexp` is `nn.logsumexp`, and `scipy.special.softmax` and
`log_softmax` only pass on to those of `nn`: these names are measured in the full tier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from lossbench.harness.adapters.adapter import Adapter, Array, Call, Unsupported, unsupported


def _jax() -> Any:
    """The module `jax` with the submodules that calls use, imported at the first call."""
    import jax
    import jax.scipy.special
    import jax.scipy.stats

    return jax


def _weighted_bce(jax: Any, z: Any, y: Any) -> Any:
    """`_log_sigmoid_bce` with twice the weight of the label 1."""
    return -(2 * y * jax.nn.log_sigmoid(z) + (1 - y) * jax.nn.log_sigmoid(-z))


def _log_sigmoid_bce(jax: Any, z: Any, y: Any) -> Any:
    """-(y log g(z) + (1-y) log g(-z)), elementwise: log(1 - g(z)) as log g(-z)."""
    return -(y * jax.nn.log_sigmoid(z) + (1 - y) * jax.nn.log_sigmoid(-z))


def _xlogy_bce(jax: Any, p: Any, y: Any) -> Any:
    """-(y log p + (1-y) log(1-p)) with 0 log 0 = 0, elementwise."""
    return -(jax.scipy.special.xlogy(y, p) + jax.scipy.special.xlog1py(1 - y, -p))


def _at_index(jax: Any, rows: Any, t: Any) -> Any:
    """Entry `t` of each row: shapes (n, K) and (n,) to (n,)."""
    return jax.numpy.take_along_axis(rows, t[:, None], axis=-1)[:, 0]


def _bernoulli_logpmf(jax: Any, z: Any, y: Any) -> Any:
    """Sum over the last axis of the log-probabilities of `y` under g(z)."""
    return jax.scipy.stats.bernoulli.logpmf(y, jax.nn.sigmoid(z)).sum(-1)


_BINARY, _SOFT, _SIGNED, _INDEX = ("binary",), ("binary", "soft"), ("signed",), ("index",)
_ROWS = ("onehot", "soft")

CALLS: tuple[Call, ...] = (
    Call("sigmoid", "nn.sigmoid", lambda jax, x: jax.nn.sigmoid(x)),
    Call("sigmoid", "scipy.special.expit", lambda jax, x: jax.scipy.special.expit(x)),
    Call("log_sigmoid", "nn.log_sigmoid", lambda jax, x: jax.nn.log_sigmoid(x)),
    Call("softplus", "nn.softplus", lambda jax, x: jax.nn.softplus(x)),
    Call("softmax", "nn.softmax", lambda jax, x: jax.nn.softmax(x)),
    Call("log_softmax", "nn.log_softmax", lambda jax, x: jax.nn.log_softmax(x)),
    Call("logsumexp", "nn.logsumexp", lambda jax, x: jax.nn.logsumexp(x, axis=-1)),
    Call("prob_xent", "scipy.special.xlogy+sum",
         lambda jax, q, y: -jax.scipy.special.xlogy(y, q).sum(-1), _ROWS),
    Call("prob_xent", "numpy.take_along_axis+log",
         lambda jax, q, t: -jax.numpy.log(_at_index(jax, q, t)), _INDEX),
    Call("prob_xent", "scipy.special.rel_entr+sum",
         lambda jax, q, y: jax.scipy.special.rel_entr(y, q).sum(-1), ("onehot",), tier="default"),
    Call("prob_xent", "scipy.special.entr+rel_entr",
         lambda jax, q, y: (jax.scipy.special.entr(y) + jax.scipy.special.rel_entr(y, q)).sum(-1), _ROWS,
         tier="default"),
    Call("softplus", "numpy.logaddexp", lambda jax, x: jax.numpy.logaddexp(x, jax.numpy.zeros_like(x)), tier="default"),
    Call("logsumexp", "scipy.special.logsumexp", lambda jax, x: jax.scipy.special.logsumexp(x, axis=-1), tier="full"),
    Call("softmax", "scipy.special.softmax", lambda jax, x: jax.scipy.special.softmax(x, axis=-1), tier="full"),
    Call("log_softmax", "scipy.special.log_softmax",
         lambda jax, x: jax.scipy.special.log_softmax(x, axis=-1), tier="full"),
    Call("softmax_xent", "nn.log_softmax+sum", lambda jax, z, y: -(y * jax.nn.log_softmax(z)).sum(-1), _ROWS),
    Call("softmax_xent", "nn.log_softmax+take_along_axis",
         lambda jax, z, t: -_at_index(jax, jax.nn.log_softmax(z), t), _INDEX),
    Call("softmax_xent", "nn.logsumexp+take_along_axis",
         lambda jax, z, t: jax.nn.logsumexp(z, axis=-1) - _at_index(jax, z, t), _INDEX),
    Call("sigmoid_bce", "nn.log_sigmoid", _log_sigmoid_bce, _SOFT),
    Call("sigmoid_bce", "nn.softplus", lambda jax, z, y: jax.nn.softplus(z) - y * z, _SOFT),
    Call("sigmoid_bce", "nn.log_sigmoid", _weighted_bce, _BINARY, "pos_weight=2.0", tier="default"),
    Call("multilabel_bce", "nn.log_sigmoid+sum",
         lambda jax, z, y: _log_sigmoid_bce(jax, z, y).sum(-1), _SOFT),
    Call("multilabel_bce", "nn.log_sigmoid+mean",
         lambda jax, z, y: _log_sigmoid_bce(jax, z, y).mean(-1), _SOFT, "over=mean"),
    Call("prob_bce", "scipy.special.xlogy+xlog1py", _xlogy_bce, _SOFT),
    Call("prob_bce", "scipy.stats.bernoulli.logpmf",
         lambda jax, p, y: -jax.scipy.stats.bernoulli.logpmf(y, p), _BINARY),
    Call("margin_logistic", "nn.softplus", lambda jax, z, y: jax.nn.softplus(-y * z), _SIGNED),
    Call("margin_logistic", "numpy.logaddexp", lambda jax, z, y: jax.numpy.logaddexp(0, -y * z), _SIGNED),
    Call("sigmoid_mse", "nn.sigmoid+square", lambda jax, z, y: (jax.nn.sigmoid(z) - y) ** 2 / 2, _SOFT),
    Call("bernoulli_likelihood", "nn.sigmoid+prod",
         lambda jax, z, y: jax.nn.sigmoid((2 * y - 1) * z).prod(-1), _BINARY),
    Call("bernoulli_log_likelihood", "nn.log_sigmoid+sum",
         lambda jax, z, y: jax.nn.log_sigmoid((2 * y - 1) * z).sum(-1), _BINARY),
    Call("bernoulli_log_likelihood", "nn.sigmoid+scipy.stats.bernoulli.logpmf+sum",
         _bernoulli_logpmf, _BINARY),
)  # fmt: skip


class JaxAdapter(Adapter):
    """JAX on its CPU or GPU backend, with 64-bit types on so that float64 stays float64."""

    library = "jax"
    requires: ClassVar[tuple[str, ...]] = ("jax",)
    distribution = "jax"
    modes = ("eager", "jit")
    calls = CALLS
    missing: ClassVar[Mapping[str, Unsupported]] = {}
    outside: ClassVar[Mapping[str, Unsupported]] = {
        "scipy.special.kl_div": unsupported("rel_entr, which is measured, and two terms that cancel in the sum"),
    }

    def load(self) -> Any:
        """Import JAX with x64 enabled. Returns the module `jax`."""
        jax = _jax()
        jax.config.update("jax_enable_x64", True)
        return jax

    def devices(self, lib: Any) -> dict[str, str]:
        """The CPU always; CUDA when this jaxlib has a working GPU backend."""
        jax = _jax()
        try:
            jax.devices("gpu")
        except RuntimeError:
            backends = ", ".join(sorted({device.platform for device in jax.devices()}))
            return {"cpu": "", "cuda": f"JAX offers no GPU backend here, only {backends}."}
        return {"cpu": "", "cuda": ""}

    def put(self, lib: Any, array: Array, dtype: str, device: str) -> Any:
        """Copy to the device. Raises TypeError when JAX would change the dtype (x64 switched off)."""
        jax = _jax()
        source = array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array
        # A copy of our own: device_put may alias an aligned NumPy buffer, which the caller still owns.
        target = jax.devices({"cpu": "cpu", "cuda": "gpu"}[device])[0]
        tensor = jax.device_put(np.array(source, order="C"), target)
        if tensor.dtype.name != dtype:
            raise TypeError(f"put {dtype}, but JAX holds {tensor.dtype.name}; jax_enable_x64 must be on")
        return tensor

    def get(self, lib: Any, tensor: Any) -> tuple[Array, str]:
        """Values as float64, which holds each narrower format exactly, and the dtype that JAX returned."""
        return np.asarray(tensor).astype(np.float64), str(tensor.dtype.name)

    def sync(self, lib: Any, tensor: Any) -> None:
        """JAX dispatches asynchronously on every backend, the CPU too."""
        _jax().block_until_ready(tensor)

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """"eager" runs the call and its pull-back op by op; "jit" compiles both as one program per shape."""
        jax = _jax()

        def value(x: Any, *labels: Any) -> Any:
            return call.fn(lib, x, *labels)

        def value_and_gradient(x: Any, *labels: Any) -> tuple[Any, Any]:
            out, pull_back = jax.vjp(lambda at: call.fn(lib, at, *labels), x)
            if vector:
                cotangent = jax.numpy.zeros_like(out).at[..., 0].set(1)
            else:
                cotangent = jax.numpy.ones_like(out)
            return out, pull_back(cotangent)[0]

        wraps: dict[str, Callable[..., Any]] = {"eager": lambda fn: fn, "jit": jax.jit}
        built: Callable[..., Any] = wraps[mode]({"F": value, "FB": value_and_gradient}[work])
        return built


ADAPTER = JaxAdapter()
