"""Fake libraries that misbehave, offered through entry points as a third party would.

`offer` writes them as an installed package: worker processes find them by PYTHONPATH, this process by
sys.path. The package consists of a copy of this file and one module a library, because adapters are found
as constants of modules.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lossbench.harness.adapters import GROUP
from lossbench.harness.adapters.adapter import Call, Unsupported, unsupported
from lossbench.harness.adapters.numpy import NumpyAdapter, residual, softplus_bce

#: What a call named by the key does instead of, or before, giving the right answer.
Deed = Callable[[Any, Any], Any]
BOTH = ("binary", "soft")
NO_GRADIENT = unsupported("the fake has no autodiff")


def kill(z: Any, y: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(z: Any, y: Any) -> Any:
    """Leave a mark that says so (see patience.py), and do not come back."""
    Path(os.environ["LOSSBENCH_FAKES"], f"{os.getpid()}.hangs").touch()
    time.sleep(600)


def leave(z: Any, y: Any) -> Any:
    sys.exit(0)  # as if all was well


def refuse(z: Any, y: Any) -> Any:
    raise RuntimeError("no kernel for this\nand a page of advice")


def refuse_nan(z: Any, y: Any) -> Any:
    if np.isnan(z).any():
        raise ValueError("NaN in the input")
    return softplus_bce(z, y)


def babble(z: Any, y: Any) -> Any:
    """Write on both standard streams, by Python and below it, and forge an event."""
    forged = '{"event": "unavailable", "reason": "forged"}\n'
    print("warming up\n" + forged)
    sys.stdout.flush()
    os.write(1, forged.encode())
    os.write(1, b"\xff\xfe no text, no newline")
    os.write(2, b"\xff\xfe")
    return softplus_bce(z, y)


def call(
    name: str,
    deed: Deed = softplus_bce,
    gradient: Deed | Unsupported = residual,
    encodings: tuple[str, ...] = ("binary",),
    rowwise: bool = False,
) -> Call:
    """A call of sigmoid_bce that does `deed`; its gradient is right unless given."""
    slope = gradient if isinstance(gradient, Unsupported) else lambda lib, z, y: gradient(z, y)
    return Call("sigmoid_bce", name, lambda lib, z, y: deed(z, y), encodings, "", slope, rowwise)


class Fake(NumpyAdapter):
    """NumPy under another name."""

    missing: ClassVar[Any] = {}
    distribution = "numpy"
    calls: ClassVar[tuple[Call, ...]] = (call("works"),)


class Steady(Fake):
    """Five calls that are right, or wrong in a way that shows in the rows."""

    library = "fakesteady"
    calls = (
        call("a", encodings=BOTH),
        call("b", lambda z, y: softplus_bce(z, y) * z.dtype.type(1.001), encodings=BOTH),
        call("c", lambda z, y: np.abs(z)),
        call("d", gradient=refuse),
        call("e", gradient=lambda z, y: np.zeros_like(z)),
    )


class Unruly(Fake):
    """Every way of failing in a call, between two calls that work."""

    library = "fakelib"
    calls = (
        call("works"),
        call("refuses", refuse),
        call("refuses_gradient", gradient=refuse),
        call("refuses_nan", refuse_nan),
        call("wrong_shape", lambda z, y: softplus_bce(z, y)[:-1]),
        call("scalar", lambda z, y: softplus_bce(z, y).mean()),
        call("kills", kill),
        call("babbles", babble),
        call("leaves", leave),
        call("hangs", hang),
        call("no_gradient", gradient=NO_GRADIENT),
        call("rowwise", lambda z, y: softplus_bce(z, y).mean(), rowwise=True),
        call("works_to_the_end"),
    )


class Broken(Fake):
    """A library that is installed and cannot be imported."""

    library = "fakebroken"

    def load(self) -> Any:
        """Fail as a library with a missing shared object does."""
        raise ImportError("libfake.so.1: cannot open shared object file\nNo such file")


class Absent(Fake):
    """A library that is not installed."""

    library = "fakeabsent"
    requires = ("a_module_that_nobody_ships",)
    distribution = "a-module-that-nobody-ships"


class Deviceless(Fake):
    """A library whose only device is not there."""

    library = "fakedeviceless"

    def devices(self, lib: Any) -> dict[str, str]:
        """No device at all."""
        return {"cpu": "no processor that the fake likes"}


class Doomed(Fake):
    """A library that crashes once, and cannot be imported from then on."""

    library = "fakedoomed"
    calls = (call("works"), call("kills", kill), call("never_reached"))

    def load(self) -> Any:
        """Leave a mark in the working directory and fail where there is one."""
        mark = Path("fakedoomed.mark")
        if mark.exists():
            raise ImportError("the device is gone")
        mark.touch()
        return np


class Flushing(Fake):
    """A library whose arithmetic flushes subnormal results to zero."""

    library = "fakeflushing"

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """The NumPy function with subnormal numbers of its results flushed."""
        function = super().build(lib, call, mode, work, vector)

        def flush(a: Any) -> Any:
            return np.where(np.abs(a) < np.finfo(a.dtype).tiny, a.dtype.type(0), a)

        def run(*arrays: Any) -> Any:
            result = function(*arrays)
            return tuple(map(flush, result)) if work == "FB" else flush(result)

        return run


class Slow(Fake):
    """A library that takes its time, so that it can be interrupted."""

    library = "fakeslow"
    calls = (call("hangs", hang),)


class Mute(Fake):
    """A library whose probes fail, though its calls work."""

    library = "fakemute"

    def build(self, lib: Any, call: Call, mode: str, work: str, vector: bool) -> Callable[..., Any]:
        """Refuse to build the probe."""
        if call.form == "probe":
            raise TypeError("no multiplication")
        return super().build(lib, call, mode, work, vector)


def _count(state: dict[str, int], name: str) -> int:
    state[name] = state.get(name, 0) + 1
    return state[name]


_STATE: dict[str, int] = {}


def drift(z: Any, y: Any) -> Any:
    """Right at first, wrong from the third time on: a buffer that is reused too early."""
    return softplus_bce(z, y) * (1 if _count(_STATE, "drift") < 3 else 2)


class Timed(Fake):
    """Calls to be timed."""

    library = "faketimed"
    calls = (
        call("works"),
        call("wrong", lambda z, y: softplus_bce(z, y) * z.dtype.type(1.01)),
        call("wrong_gradient", gradient=lambda z, y: -residual(z, y)),
        call("not_finite", lambda z, y: np.full_like(z, np.inf)),
        call("wrong_shape", lambda z, y: np.append(softplus_bce(z, y), softplus_bce(z, y))[:, None]),
        call("drifts", drift),
        call("refuses", refuse),
        call("babbles", babble),
        call("kills", kill, NO_GRADIENT),
        call("hangs", hang, NO_GRADIENT),
        call("no_gradient", gradient=NO_GRADIENT),
        call("works_to_the_end"),
    )


LIBRARIES: tuple[type[Fake], ...] = (
    Steady,
    Unruly,
    Broken,
    Absent,
    Deviceless,
    Doomed,
    Flushing,
    Slow,
    Mute,
    Timed,
)

METADATA = "Metadata-Version: 2.1\nName: lossbench-fakes\nVersion: 0\n"


@contextmanager
def offer(folder: Path, patch: Any) -> Iterator[Path]:
    """Install the fakes in `folder` for this process and those that it starts. patch: a MonkeyPatch."""
    folder.mkdir(parents=True)
    shutil.copy(__file__, folder / "lossbench_fakes.py")
    points = []
    for fake in LIBRARIES:
        module = f"{fake.library}_adapter"
        text = f"from lossbench_fakes import {fake.__name__}\n\nADAPTER = {fake.__name__}()\n"
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        points.append(f"{fake.library} = {module}")
    info = folder / "lossbench_fakes-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *points]), encoding="utf-8")
    patch.syspath_prepend(str(folder))
    patch.setenv("LOSSBENCH_FAKES", str(folder))
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
    try:
        yield folder
    finally:
        for name in [n for n in sys.modules if n.startswith(("lossbench_fakes", "fake"))]:
            del sys.modules[name]


class Silent:
    """Progress that keeps what it was told, and does `then` at every step."""

    def __init__(self, then: Callable[[str, int], None] = lambda stage, step: None) -> None:
        self.then, self.stages, self.sentences = then, [], []  # type: ignore[var-annotated]
        self.steps: dict[str, int] = {}

    def stage(self, name: str, total: int) -> None:
        """Remember the stage and how many steps it announced."""
        self.stages.append((name, total))

    def advance(self, steps: int = 1) -> None:
        """Count."""
        name = self.stages[-1][0]
        self.steps[name] = self.steps.get(name, 0) + steps
        self.then(name, self.steps[name])

    def say(self, sentence: str) -> None:
        """Remember."""
        self.sentences.append(sentence)
