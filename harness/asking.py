"""Asking a question: each library in its own process, the point alone and tiled to 64, and the answers scored.

A library that is absent, crashes or hangs costs its own answers, each with a reason.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lossbench.harness.metrics import Scores, score
from lossbench.harness.plan import Unit, predicted_work
from lossbench.harness.processes import Event, end, python, run_worker
from lossbench.harness.question import Claim, Question
from lossbench.harness.rows import BAD
from lossbench.reference import Exact, form_of
from lossbench.reference.formats import FORMATS, encode

Array = npt.NDArray[Any]

#: Library processes at a time.
WORKERS = 2
#: Cases of the long vector: a multiple of every vector register, so that the whole of it takes the vector code.
TILE = 64
#: The parts of an answer.
PARTS = ("value", "grad")


@dataclass(frozen=True)
class Result:
    """A value or a gradient that a library gave, shape () or (K,), or why there is none.

    status: measured, or unsupported, unavailable, raised, died, timeout as in rows, with the reason.
    dtype: format of the result. scores: category and error of each component.
    """

    status: str
    reason: str = ""
    got: npt.NDArray[np.float64] | None = None
    dtype: str = ""
    scores: Scores | None = None

    @property
    def badness(self) -> tuple[float, float]:
        """Larger is worse: no answer, then defects by their category, then the error; unsupported comes last."""
        if self.scores is None:
            return (-1.0 if self.status == "unsupported" else 99.0), 0.0
        codes, ulps = self.scores.codes, np.nan_to_num(self.scores.ulps, nan=0.0)
        defect = max(0, len(BAD) - int(codes.min(initial=len(BAD))))
        return float(defect), float(ulps.max(initial=0.0))


@dataclass
class Answer:
    """What an implementation said, by part.

    alone: asked for one case. tiled: asked for 64 equal ones, where that differs; the worst of those that
    differ. differing: how many of the 64 do. flushes: whether a product of the library flushes subnormal numbers
    to zero, None where that was not probed, because nothing subnormal is at stake, or could not be.
    """

    claim: Claim
    alone: dict[str, Result] = field(default_factory=dict)
    tiled: dict[str, Result] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)
    flushes: bool | None = None


def ask(
    question: Question,
    claims: Iterable[Claim],
    exact: dict[str, Exact],
    listening: Callable[[str], None] = lambda library: None,
) -> list[Answer]:
    """Ask the implementations that can be asked; returns their answers in the order of `claims`.

    exact: part -> exact result of the point. listening: told of each library whose process has ended.
    Interrupted, it ends every process that it started.
    """
    present = [claim for claim in claims if not claim.absent]
    answers = {claim.id: Answer(claim) for claim in present}
    by_library: dict[str, list[Claim]] = {}
    for claim in present:
        by_library.setdefault(claim.library, []).append(claim)
    slowest_first = sorted(by_library, key=lambda name: -predicted_work(_unit(question, c) for c in by_library[name]))
    processes = _Processes()
    with tempfile.TemporaryDirectory(prefix="lossbench-") as folder, ThreadPoolExecutor(WORKERS) as pool:

        def one(library: str) -> None:
            asking = _Library(question, library, answers, exact, Path(folder) / library)
            asking.ask(by_library[library], processes.add)
            listening(library)

        jobs = [pool.submit(one, library) for library in slowest_first]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            processes.stop()  # leaving the pool waits for its threads, and they for their processes
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return list(answers.values())


class _Processes:
    """The processes that run, so that all of them can be ended; one that starts afterwards ends at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[str]] = []
        self._stopping = False

    def add(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            self._running.append(process)
            stopping = self._stopping
        if stopping:
            end(process)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
        for process in self._running:
            end(process)


def _unit(question: Question, claim: Claim) -> Unit:
    return Unit(
        claim.library, claim.call, claim.mode, claim.device,
        question.form, claim.encoding, question.options, question.dtype, question.classes,
    )  # fmt: skip


class _Library:
    """One library's claims, asked in one process. Each is a unit of the worker twice: alone and tiled."""

    def __init__(
        self, question: Question, library: str, answers: dict[str, Answer], exact: dict[str, Exact], folder: Path
    ) -> None:
        self.question, self.library, self.answers, self.exact, self.folder = question, library, answers, exact, folder
        self._units: dict[str, tuple[Answer, int, Path]] = {}
        self._tiles: dict[str, dict[str, tuple[Array, str]]] = {}

    def ask(self, claims: list[Claim], alive: Callable[[subprocess.Popen[str]], None]) -> None:
        """Run the worker; the answers are filled in as they come."""
        self.folder.mkdir()
        units = [entry for claim in claims for entry in self._entries(claim)]
        modes = dict.fromkeys(claim.mode for claim in claims) if self._subnormal() else ()
        probes = [(mode, self.question.dtype) for mode in modes]
        job = {"device": claims[0].device, "probes": probes, "units": units}
        run_worker(
            lambda job_file: python("-m", "lossbench.harness.worker", self.library, str(job_file)),
            self.library, job, self.folder, self._listen, alive=alive,
        )  # fmt: skip

    def _subnormal(self) -> bool:
        """Whether flushing to zero could change an answer."""
        tiny = FORMATS[self.question.dtype].tiny
        numbers = [self.question.x, *(exact.value for exact in self.exact.values())]
        return any(bool(np.any((np.abs(part) < tiny) & (part != 0))) for part in numbers)

    def _entries(self, claim: Claim) -> list[dict[str, Any]]:
        unit, entries = _unit(self.question, claim), []
        for count in (1,) if claim.rowwise else (1, TILE):
            name = f"{unit.id}/{count}"
            out = self.folder / f"out-{len(self._units)}.npz"
            self._units[name] = (self.answers[claim.id], count, out)
            cases = self._cases(claim.encoding, count)
            slices = {"point": (0, count)}
            entries.append({**asdict(unit), "id": name, "cases": str(cases), "out": str(out), "slices": slices})
        return entries

    def _cases(self, encoding: str, count: int) -> Path:
        path = self.folder / f"{encoding}-{count}.npz"
        if not path.exists():
            arrays: dict[str, Any] = {"x": encode(self.question.x, self.question.dtype)}
            label = self.question.label(encoding)
            if label is not None:
                arrays["y"] = label if encoding == "index" else encode(label, self.question.dtype)
            repeated: dict[str, Any] = {name: np.repeat(a[None], count, axis=0) for name, a in arrays.items()}
            np.savez(path, **repeated)
        return path

    def _listen(self, event: Event) -> None:
        match event["event"]:
            case "probe" if "flushes" in event:
                for answer in self.answers.values():
                    if (answer.claim.library, answer.claim.mode) == (self.library, event["mode"]):
                        answer.flushes = event["flushes"]
            case "unavailable":
                for answer, _, _ in self._units.values():
                    for part in PARTS:
                        answer.alone.setdefault(part, Result("unavailable", event["reason"]))
            case "failed":
                answer, count, _ = self._units[event["unit"]]
                failed = Result(event["status"], event["reason"])
                for part in PARTS:
                    self._keep(answer, part, count, [failed])
            case "done":
                answer, count, out = self._units[event["unit"]]
                with np.load(out) as file:
                    stored = {name: file[name] for name in file.files}
                for part in PARTS:
                    self._keep(answer, part, count, self._results(part, count, event, stored))

    def _results(self, part: str, count: int, facts: Event, stored: dict[str, Array]) -> list[Result]:
        """The scored results of each case, or a single one that says why there are none."""
        if part in facts["unsupported"]:
            return [Result("unsupported", facts["unsupported"][part])]
        if errors := facts["errors"].get(part):
            return [Result("raised", next(iter(errors.values())))]
        if part not in stored:
            return [Result("raised", f"returned no {part}")]
        exact, got = self.exact[part], stored[part]
        if got.shape != (count, *exact.value.shape):
            return [Result("raised", f"returned shape {got.shape}, expected {(count, *exact.value.shape)}")]
        nonnegative = form_of(self.question.form).nonnegative and part == "value"
        dtype = facts["dtypes"][part]
        return [Result("measured", "", row, dtype, score(row, exact, nonnegative)) for row in got]

    def _keep(self, answer: Answer, part: str, count: int, results: list[Result]) -> None:
        """Keep what was said alone, and of the tiled results the worst of those that differ from it."""
        if count == 1:
            answer.alone[part] = results[0]
            return
        alone = answer.alone.get(part, Result("raised", "was not asked alone"))
        differ = [result for result in results if not _same(result, alone)]
        if differ:
            answer.tiled[part] = max(differ, key=lambda result: result.badness)
            answer.differing[part] = len(differ) if differ[0].got is not None else count


def _same(a: Result, b: Result) -> bool:
    """Whether two results tell the same: equal numbers, any NaN being equal to any, or the same failure."""
    if a.got is None or b.got is None:
        return a.status == b.status
    return a.dtype == b.dtype and np.array_equal(a.got, b.got, equal_nan=True)
