"""The worker: one library, one process, one JSON line an event, whatever the library does to its streams."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from lossbench.harness import worker
from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.numpy import ADAPTER, residual, softplus_bce
from lossbench.harness.cases import BatchKey, draw_batch, save_batch
from lossbench.harness.execution import Execution
from lossbench.harness.plan import Unit
from lossbench.harness.processes import python, worker_environment
from lossbench.reference.formats import FORMATS, MEASURED, encode

SUITES = ["landmarks", "non_finite"]


def units_of(library, *calls, encoding="binary", dtype="float32"):
    return [Unit(library, call, "eager", "cpu", "sigmoid_bce", encoding, "", dtype, 1) for call in calls]


def executed(adapter, lib, unit):
    """Run a unit in this process; returns what it stored and its facts."""
    with np.load(unit["cases"]) as file:
        run = Execution(adapter, lib, unit, {name: file[name] for name in file.files})
    run.run()
    return run.stored, run.facts


class Workplace:
    """Runs a worker on units over one batch, and reads what it left."""

    def __init__(self, folder, suites=SUITES):
        self.folder = folder
        self.batch = draw_batch(BatchKey("sigmoid_bce", "binary", "float32", 1), suites, "quick", 0)
        self.cases = save_batch(self.batch, folder)

    def entry(self, unit, i=0):
        """A unit as the job file has it."""
        out = str(self.folder / f"{i}.npz")
        return {**asdict(unit), "id": unit.id, "cases": str(self.cases), "out": out, "slices": self.batch.slices}

    def start(self, library, units, **job):
        """Run `python -m lossbench.harness.worker`."""
        path = self.folder / "job.json"
        entries = [self.entry(unit, i) for i, unit in enumerate(units)]
        path.write_text(json.dumps({"device": "cpu", "units": entries, **job}), encoding="utf-8")
        process = subprocess.run(
            python("-m", "lossbench.harness.worker", library, str(path)),
            capture_output=True,
            timeout=60,
            check=False,
            env=worker_environment(library),
        )
        events = [json.loads(line) for line in process.stdout.decode("ascii").splitlines()]
        return SimpleNamespace(code=process.returncode, events=events, stderr=process.stderr, named=by_name(events))

    def stored(self, i):
        with np.load(self.folder / f"{i}.npz") as file:
            return {name: file[name] for name in file.files}


def by_name(events):
    found = {}
    for event in events:
        found.setdefault(event["event"], []).append(event)
    return found


CALLS = (
    "works",
    "refuses",
    "refuses_gradient",
    "refuses_nan",
    "wrong_shape",
    "scalar",
    "babbles",
    "no_gradient",
    "rowwise",
    "works_to_the_end",
)
REFUSAL = "RuntimeError: no kernel for this"


@pytest.fixture(scope="module")
def unruly(offered, tmp_path_factory):
    """One worker over all calls of the unruly library that leave the process alive."""
    place = Workplace(tmp_path_factory.mktemp("unruly"))
    run = place.start("fakelib", units_of("fakelib", *CALLS), probes=[["eager", "float32"], ["eager", "float16"]])
    facts = dict(zip(CALLS, run.named["done"], strict=True))
    stored = {name: place.stored(i) for i, name in enumerate(CALLS)}
    return SimpleNamespace(place=place, run=run, facts=facts, stored=stored)


def right(batch):
    """What the stable NumPy formula gives on the batch."""
    with np.errstate(all="ignore"):
        return softplus_bce(batch.x, batch.y), residual(batch.x, batch.y)


def test_events_come_in_order(unruly):
    assert unruly.run.code == 0
    names = [event["event"] for event in unruly.run.events]
    assert names == ["loaded", "probe", "probe", *["start", "done"] * len(CALLS)]
    for start, done in zip(unruly.run.named["start"], unruly.run.named["done"], strict=True):
        assert start["unit"] == done["unit"] and done["spent"] >= 0


def test_the_library_introduces_itself(unruly):
    (loaded,) = unruly.run.named["loaded"]
    assert loaded["seconds"] >= 0
    assert loaded["devices"] == {"cpu": "", "cuda": "fakelib runs on the CPU only"}


@pytest.mark.parametrize("call", ["works", "works_to_the_end", "babbles"])
def test_results_are_stored_with_their_dtype(unruly, call):
    value, grad = right(unruly.place.batch)
    assert unruly.facts[call]["dtypes"] == {"value": "float32", "grad": "float32"}
    assert unruly.facts[call]["errors"] == {}
    np.testing.assert_array_equal(unruly.stored[call]["value"], value)
    np.testing.assert_array_equal(unruly.stored[call]["grad"], grad)
    assert unruly.stored[call]["value"].dtype == np.float64


def test_what_a_library_prints_does_not_mix_with_events(unruly):
    assert "forged" not in json.dumps(unruly.run.events)
    assert unruly.run.stderr.count(b"forged") >= 4  # value and gradient, by Python and below it
    assert b"warming up" in unruly.run.stderr


def test_a_refusal_is_told_in_one_line(unruly):
    assert unruly.facts["refuses"]["errors"] == {"value": {"*": REFUSAL}, "grad": {"*": REFUSAL}}
    assert unruly.stored["refuses"] == {}


def test_a_gradient_that_fails_leaves_the_value(unruly):
    assert unruly.facts["refuses_gradient"]["errors"] == {"grad": {"*": REFUSAL}}
    assert set(unruly.stored["refuses_gradient"]) == {"value"}


def test_a_call_that_refuses_nan_is_measured_on_the_other_suites(unruly):
    error = {"non_finite": "ValueError: NaN in the input"}
    assert unruly.facts["refuses_nan"]["errors"] == {"value": error, "grad": error}
    value, grad = right(unruly.place.batch)
    start, stop = unruly.place.batch.slices["landmarks"]
    for name, want in (("value", value), ("grad", grad)):
        got = unruly.stored["refuses_nan"][name]
        np.testing.assert_array_equal(got[start:stop], want[start:stop])
        assert np.isnan(np.delete(got, np.s_[start:stop])).all()
    assert unruly.facts["refuses_nan"]["dtypes"] == {"value": "float32", "grad": "float32"}


def test_shapes_are_handed_on_as_they_are(unruly):
    """Whether a shape is right is judged where the exact results are."""
    n = len(unruly.place.batch.x)
    assert unruly.stored["wrong_shape"]["value"].shape == (n - 1,)
    assert unruly.stored["scalar"]["value"].shape == ()


def test_a_call_without_gradient_says_why(unruly):
    facts = unruly.facts["no_gradient"]
    assert facts["unsupported"] == {"grad": "the fake has no autodiff"}
    assert facts["errors"] == {} and set(unruly.stored["no_gradient"]) == {"value"}


def test_a_call_that_reduces_is_fed_row_by_row(unruly):
    stored, (value, grad) = unruly.stored["rowwise"], right(unruly.place.batch)
    np.testing.assert_array_equal(stored["value"], value[stored["index"]])
    np.testing.assert_array_equal(stored["grad"], grad[stored["index"]])


# -- libraries that do not come as far as a unit

AWAY = {
    "fakebroken": "fakebroken cannot be imported: ImportError: libfake.so.1: cannot open shared object file",
    "fakedeviceless": "no processor that the fake likes",
    "fakesteady": "fakesteady runs on the CPU only",
}


@pytest.mark.parametrize("library", AWAY)
def test_unavailable_libraries_say_why(offered, tmp_path, library):
    device = "cuda" if library == "fakesteady" else "cpu"
    run = Workplace(tmp_path).start(library, units_of(library, "works"), device=device)
    assert run.code == 0
    assert [event["reason"] for event in run.named["unavailable"]] == [AWAY[library]]
    assert "start" not in run.named


def test_unknown_device(offered, tmp_path):
    run = Workplace(tmp_path).start("fakesteady", units_of("fakesteady", "a"), device="abacus")
    (away,) = run.named["unavailable"]
    assert "abacus" in away["reason"]


# -- probes


def test_probes_find_no_flushing_in_numpy(unruly):
    assert [(p["mode"], p["dtype"]) for p in unruly.run.named["probe"]] == [("eager", "float32"), ("eager", "float16")]
    assert all(p["flushes"] is False and p["what"] == "" for p in unruly.run.named["probe"])


@pytest.mark.parametrize("dtype", [d for d in MEASURED if d != "bfloat16"])
def test_probe_sees_flushed_results(offered, dtype):
    found = worker.probe_flush(adapter_of("fakeflushing"), np, "eager", dtype, "cpu")
    assert found == {"flushes": True, "what": "results of length 1, results of length 4096"}


@pytest.mark.parametrize("dtype", [d for d in MEASURED if d != "bfloat16"])
def test_probe_sees_flushed_inputs_of_long_vectors_only(dtype):
    """Vector units may flush where scalar code does not."""

    class Vectorised(type(ADAPTER)):
        def put(self, lib, array, dtype, device):
            tiny = FORMATS[dtype].tiny
            flushed = np.where(np.abs(array) < tiny, 0, array).astype(array.dtype)
            return flushed if len(array) > 64 else array

    found = worker.probe_flush(Vectorised(), np, "eager", dtype, "cpu")
    assert found == {"flushes": True, "what": "inputs of length 4096"}


@pytest.mark.parametrize("dtype", MEASURED)
def test_probe_asks_what_would_not_be_zero(dtype):
    """Neither question has a zero answer in exact arithmetic rounded to the format."""
    asked = []

    class Recorder(type(ADAPTER)):
        def put(self, lib, array, dtype, device):
            asked.append(array)
            return np.ones(len(array))

    worker.probe_flush(Recorder(), np, "eager", dtype, "cpu")
    fmt = FORMATS[dtype]
    for x, y in zip(asked[::2], asked[1::2], strict=True):
        a, b = (float(encode_back(v, dtype)[0]) for v in (x, y))
        assert fmt.subnormal <= a * b
        assert a < fmt.tiny or a * b < fmt.tiny  # one of the two is subnormal


def encode_back(bits, dtype):
    from lossbench.reference.formats import decode

    assert bits.dtype == encode([0.0], dtype).dtype
    return decode(bits, dtype)


def test_a_probe_that_fails_is_told_and_costs_no_unit(offered, tmp_path):
    run = Workplace(tmp_path).start("fakemute", units_of("fakemute", "works"), probes=[["eager", "float32"]])
    (probe,) = run.named["probe"]
    assert probe["error"] == "TypeError: no multiplication" and "flushes" not in probe
    assert run.named["done"][0]["errors"] == {}
