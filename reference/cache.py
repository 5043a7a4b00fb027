"""Certified results on disk, keyed by their content, with their provenance.

An entry is used only when the sources of the reference and the libraries under it are those that made it, its bytes
are those that were written, and a sample of its results, certified again by both oracles, is the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference.certificate import CERTIFICATE
from lossbench.reference.form import Form
from lossbench.reference.oracle import Exact, evaluate, same_results

#: One result in so many is certified again when an entry is read, at least one.
SAMPLE = 100
#: What became of a question: the entry was used, or why it was not.
HIT, MISS, STALE, DAMAGED = "hit", "miss", "stale", "damaged"
_ARRAYS = ("value", "ulp_exponent", "tail", "certificates")


def default_folder() -> Path:
    """`$LOSSBENCH_CACHE`, or lossbench/exact in the user's cache folder."""
    if said := os.environ.get("LOSSBENCH_CACHE"):
        return Path(said)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lossbench" / "exact"


@cache
def makers() -> dict[str, str]:
    """What made an entry: a hash of the sources of the reference, and the versions of the libraries under it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return {"reference": digest.hexdigest()} | {
        name: version(name) for name in ("mpmath", "python-flint", "numpy", "numba")
    }


@dataclass(frozen=True)
class Question:
    """What an entry answers: a quantity of a form at cases of a format."""

    form: Form
    x: npt.NDArray[Any]
    y: npt.NDArray[Any] | None
    dtype: str
    quantity: str
    options: str

    @property
    def name(self) -> str:
        """File name: a hash of everything that was asked."""
        words = (self.form.name, self.dtype, self.quantity, str(self.form.said(self.options)))
        digest = hashlib.sha256(json.dumps(words).encode())
        for array in (self.x, self.y):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def answer(self, chosen: Any = slice(None), check_every: int = 100) -> Exact:
        """Certified results at some of the cases."""
        y = None if self.y is None else self.y[chosen]
        return evaluate(self.form, self.x[chosen], y, self.dtype, self.quantity, self.options, check_every=check_every)


class Cache:
    """A folder of certified results. Any number of processes may share it: entries are written whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def evaluate(self, question: Question) -> tuple[Exact, str]:
        """The answer, and whether it was there: "hit", "miss", "stale" or "damaged"."""
        path = self.folder / f"{question.name}.npz"
        found, outcome = self._read(path, question)
        if found is None:
            found = question.answer()
            self._write(path, question, found)
        return found, outcome

    def _read(self, path: Path, question: Question) -> tuple[Exact | None, str]:
        if not path.exists():
            return None, MISS
        try:
            with np.load(BytesIO(path.read_bytes())) as stored:
                provenance = json.loads(bytes(stored["provenance"]))
                found = Exact(*(stored[name] for name in _ARRAYS))
        except Exception:  # a truncated or foreign file fails in as many ways as there are readers
            return None, DAMAGED
        if provenance.get("makers") != makers():
            return None, STALE
        whole = found.certificates.dtype == CERTIFICATE and len(found.value) == len(question.x)
        if not whole or provenance.get("digest") != _digest(found) or not _holds(question, found):
            return None, DAMAGED
        return found, HIT

    def _write(self, path: Path, question: Question, answer: Exact) -> None:
        provenance = {
            "form": question.form.name,
            "quantity": question.quantity,
            "options": question.options,
            "dtype": question.dtype,
            "cases": len(question.x),
            "makers": makers(),
            "digest": _digest(answer),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        with unfinished.open("wb") as file:
            arrays = {name: getattr(answer, name) for name in _ARRAYS}
            np.savez(file, provenance=np.frombuffer(json.dumps(provenance).encode(), np.uint8), **arrays)
        unfinished.replace(path)


def _digest(answer: Exact) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(np.ascontiguousarray(getattr(answer, name)).tobytes())
    return digest.hexdigest()


def _holds(question: Question, found: Exact) -> bool:
    """Whether a random sample of an entry, certified again by both oracles, is the same."""
    count = len(question.x)
    if count == 0:
        return True
    chosen = np.random.default_rng().choice(count, -(-count // SAMPLE), replace=False)
    return bool(np.all(same_results(found[chosen], question.answer(chosen, check_every=1))))
