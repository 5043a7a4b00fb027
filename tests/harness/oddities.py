"""Fake libraries whose answers depend on how they are asked: alone or in a vector, and with which labels.

Like `fakes`, they are offered as an installed package through the entry point; a copy of this file is the module.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lossbench.harness.adapters import GROUP
from lossbench.harness.adapters.adapter import Call, unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter, residual, softplus_bce


def vector_code(z: Any, y: Any) -> Any:
    """Right alone; 1.5 times too large in all of a longer vector but its first three."""
    loss = softplus_bce(z, y)
    return np.where(np.arange(len(z)) > 2, loss * z.dtype.type(1.5), loss)


def refuse_vectors(z: Any, y: Any) -> Any:
    if len(z) > 1:
        raise RuntimeError("one at a time")
    return softplus_bce(z, y)


def index_loss(lib: Any, z: Any, t: Any) -> Any:
    assert t.dtype == np.int64
    return np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1)) + z.max(-1) - z[np.arange(len(z)), t]


def row_loss(lib: Any, z: Any, y: Any) -> Any:
    assert y.shape == z.shape
    return index_loss(lib, z, np.argmax(y, -1))


def _binary(name: str, fn: Any, gradient: Any = residual, **more: Any) -> Call:
    slope = gradient if not callable(gradient) else lambda lib, z, y: gradient(z, y)
    return Call("sigmoid_bce", name, lambda lib, z, y: fn(z, y), ("binary",), "", slope, **more)


_NO_GRADIENT = unsupported("the fake has no autodiff")


class Odd(NumpyAdapter):
    """Calls that differ between alone and tiled, and calls of one label encoding each."""

    library = "fakeodd"
    distribution = "numpy"
    missing: ClassVar[Any] = {}
    calls = (
        _binary("steady", softplus_bce),
        _binary("vector_code", vector_code),
        _binary("refuses_vectors", refuse_vectors, _NO_GRADIENT),
        _binary("mean", lambda z, y: softplus_bce(z, y).mean(), rowwise=True),
        _binary("no_halves", softplus_bce, lacks={"float16": unsupported("the fake has no float16")}),
        _binary("wide", lambda z, y: softplus_bce(np.float64(z), np.float64(y))),
        Call("softmax_xent", "by_index", index_loss, ("index",), "", _NO_GRADIENT),
        Call("softmax_xent", "by_row", row_loss, ("onehot",), "", _NO_GRADIENT),
        Call("prob_xent", "normalizing", row_loss, ("soft",), "normalized", _NO_GRADIENT),
    )


ADAPTER = Odd()


@contextmanager
def offer(folder: Path, patch: Any) -> Iterator[Path]:
    """Install the library in `folder` for this process and those that it starts. patch: a MonkeyPatch."""
    folder.mkdir(parents=True)
    shutil.copy(__file__, folder / "fakeodd_adapter.py")
    info = folder / "lossbench_oddities-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossbench-oddities\nVersion: 0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nfakeodd = fakeodd_adapter\n", encoding="utf-8")
    patch.syspath_prepend(str(folder))
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
    try:
        yield folder
    finally:
        sys.modules.pop("fakeodd_adapter", None)
