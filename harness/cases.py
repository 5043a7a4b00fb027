"""Batches of cases on disk: drawn once, so that every library sees the same bits, with their exact results."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.reference import Exact, form_of
from lossbench.reference.cache import Cache, Question, default_folder
from lossbench.reference.formats import decode, encode
from lossbench.reference.oracle import count_certificates
from lossbench.suites import suite_of

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class BatchKey:
    """What a batch holds: one form, encoding, dtype and class count, cases of several suites."""

    form: str
    encoding: str
    dtype: str
    classes: int

    @property
    def name(self) -> str:
        """File name without suffix."""
        encoding = "none" if self.encoding == "-" else self.encoding
        return f"{self.form}-{encoding}-{self.dtype}-{self.classes}"


@dataclass(frozen=True)
class Batch:
    """Cases with their origin: x and y in storage bits, and for each case its suite and region.

    hashes: suite -> hash of what was drawn, tier and seed included.
    """

    key: BatchKey
    x: Array
    y: Array | None
    suite: Array
    region: Array
    hashes: dict[str, str]

    @property
    def wide(self) -> npt.NDArray[np.float64]:
        """x as float64 values."""
        return decode(self.x, self.key.dtype)

    @property
    def slices(self) -> dict[str, tuple[int, int]]:
        """Suite -> its first case and the one after its last: suites lie one after another."""
        places = {name: np.flatnonzero(self.suite == name) for name in self.hashes}
        return {name: (int(place[0]), int(place[-1]) + 1) for name, place in places.items()}

    @property
    def labels(self) -> Array | None:
        """y as numbers: int64 indices or float64 values."""
        if self.y is None or self.key.encoding == "index":
            return self.y
        return decode(self.y, self.key.dtype)


def draw_batch(key: BatchKey, suites: list[str], tier: str, seed: int) -> Batch:
    """Draw the cases of `suites` for a key."""
    form = form_of(key.form)
    xs, ys, names, regions, hashes = [], [], [], [], {}
    for name in suites:
        cases = suite_of(name).draw(form, key.encoding, key.dtype, key.classes, tier, seed)
        x = encode(cases.x, key.dtype)
        digest = hashlib.sha256(f"{name}/{key.name}/{tier}/{seed}/".encode() + x.tobytes())
        xs.append(x)
        if cases.y is not None:
            y = cases.y if key.encoding == "index" else encode(cases.y, key.dtype)
            digest.update(y.tobytes())
            ys.append(y)
        names += [name] * len(x)
        regions += cases.regions
        hashes[name] = digest.hexdigest()[:12]
    labels = np.concatenate(ys) if ys else None
    return Batch(key, np.concatenate(xs), labels, np.array(names), np.array(regions), hashes)


def save_batch(batch: Batch, folder: Path) -> Path:
    """Write a batch as an .npz file for the workers; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{batch.key.name}.npz"
    arrays: dict[str, Any] = {"x": batch.x} if batch.y is None else {"x": batch.x, "y": batch.y}
    np.savez(path, **arrays)
    return path


def _exact_quantity(batch: Batch, quantity: str, options: str, cache: Cache) -> tuple[Exact, str]:
    key = batch.key
    return cache.evaluate(Question(form_of(key.form), batch.wide, batch.labels, key.dtype, quantity, options))


def compute_exact(
    batches: dict[BatchKey, Batch], wanted: set[tuple[BatchKey, str]], executor: Executor, progress: Any
) -> tuple[dict[tuple[BatchKey, str, str], Exact], dict[str, dict[str, int]]]:
    """Certified values and gradients for every (batch, options) that is wanted, and how they came about.

    The second result counts batches by what the cache said, and results by the kind of their certificate and by the
    oracles behind it. progress: called with the number of batches after each.
    """
    cache = Cache(default_folder())
    futures = {}
    # the dearest first, so that the last to finish is a cheap one
    for key, options in sorted(wanted, key=lambda item: -batches[item[0]].x.size):
        for quantity in form_of(key.form).quantities[:2]:
            futures[executor.submit(_exact_quantity, batches[key], quantity, options, cache)] = (key, options, quantity)
    results, cached = {}, Counter[str]()
    for future in as_completed(futures):
        results[futures[future]], outcome = future.result()
        cached[outcome] += 1
        progress(1)
    return results, {"cache": dict(cached)} | count_certificates(results.values())
