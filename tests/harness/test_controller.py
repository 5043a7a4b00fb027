"""Whole runs: a library costs its own cells only, and a run that was ended anyhow can be gone on with."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from lossbench.harness import controller
from lossbench.harness.controller import Run, new_run, resumed_run
from lossbench.harness.plan import Filters
from lossbench.harness.processes import python
from lossbench.harness.rows import KEY, Row, RowFile
from tests.harness import patience
from tests.harness.fakes import Silent
from tests.harness.patience import PATIENCE

UNRULY = ("fakelib", "fakebroken", "fakeabsent", "fakedeviceless", "fakedoomed", "fakeflushing", "fakemute")
FILTERS = Filters(
    form=("sigmoid_bce",),
    impl=tuple(f"{library}:*" for library in UNRULY),
    suite=("landmarks", "non_finite"),
    dtype=("float32",),
)
STEADY = Filters(
    form=("sigmoid_bce",),
    impl=("fakesteady:*",),
    suite=("landmarks", "label_conventions"),
    dtype=("float32", "float16"),
)

#: Columns that differ between two runs that measure the same.
VOLATILE = ("run_id",)
#: Of timings, and of the time that an import takes, the measurement differs too.
MEASURED = ("value", "lo", "hi", "n", "out_dtype")


@pytest.fixture(scope="module", autouse=True)
def quick_to_start(offered):
    """Exact values from threads, which start faster than processes, and little patience with a library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller, "ProcessPoolExecutor", lambda count, mp_context: ThreadPoolExecutor(count))
        patience.replace(patch)
        yield


def untimed(run: Run) -> Run:
    """The run without its throughput part."""
    run.cells = []
    return run


def read(folder):
    """Units with their rows, in the order of the file."""
    return [(unit, [Row(**row) for row in rows]) for unit, rows in RowFile(folder / "rows.jsonl").units()]


def no_nan(value):
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def comparable(folder, timed=True):
    """Everything that must be equal between two runs of one plan, as sorted text."""
    lines = []
    for unit, rows in read(folder):
        for row in rows if timed or not unit.startswith("timing/") else []:
            clock = row.suite == "throughput" or row.metric == "import_s"
            skipped = (*VOLATILE, *MEASURED) if clock else VOLATILE
            facts = {k: no_nan(v) for k, v in dataclasses.asdict(row).items() if k not in skipped}
            lines.append(f"{unit} {json.dumps(facts, sort_keys=True)}")
    return sorted(lines)


# -- libraries that misbehave


@pytest.fixture(scope="module")
def unruly(tmp_path_factory):
    """One run over everything that can go wrong."""
    folder = tmp_path_factory.mktemp("unruly") / "run"
    progress = Silent()
    run = untimed(new_run(folder, "quick", 3, FILTERS, progress))
    started = time.monotonic()
    run.measure()
    seconds = time.monotonic() - started
    units = read(folder)
    rows = [row for _, found in units for row in found]
    return SimpleNamespace(folder=folder, run=run, progress=progress, units=units, rows=rows, seconds=seconds)


def answers(run, library, call):
    """quantity -> suite -> {(status, reason)} of the accuracy rows of a call."""
    found = {}
    for row in run.rows:
        if (row.library, row.call, row.metric) == (library, call, "ulp"):
            found.setdefault(row.quantity, {}).setdefault(row.suite, set()).add((row.status, row.reason))
    return found


WELL = {("measured", "")}
REFUSED = {("raised", "RuntimeError: no kernel for this")}
NAN_REFUSED = {("raised", "ValueError: NaN in the input")}
DIED = {("died", "killed by signal 9")}
ALL = ("landmarks", "non_finite")
N = 30  # cases of the two suites

# library and call: what the value's suites and the gradient's suites say
OUTCOMES = {
    ("fakelib", "works"): (WELL, WELL),
    ("fakelib", "refuses"): (REFUSED, REFUSED),
    ("fakelib", "refuses_gradient"): (WELL, REFUSED),
    ("fakelib", "refuses_nan"): ({"landmarks": WELL, "non_finite": NAN_REFUSED},) * 2,
    ("fakelib", "wrong_shape"): ({("raised", f"returned shape ({N - 1},) for value, expected ({N},)")}, WELL),
    ("fakelib", "scalar"): ({("raised", f"returned shape () for value, expected ({N},)")}, WELL),
    ("fakelib", "kills"): (DIED, DIED),
    ("fakelib", "babbles"): (WELL, WELL),
    ("fakelib", "no_gradient"): (WELL, {("unsupported", "the fake has no autodiff")}),
    ("fakelib", "rowwise"): (WELL, WELL),
    ("fakelib", "works_to_the_end"): (WELL, WELL),
    ("fakebroken", "works"): (
        {("unavailable", "fakebroken cannot be imported: ImportError: libfake.so.1: cannot open shared object file")},
    ) * 2,
    ("fakedeviceless", "works"): ({("unavailable", "no processor that the fake likes")},) * 2,
    ("fakedoomed", "works"): (WELL, WELL),
    ("fakedoomed", "kills"): (DIED, DIED),
    ("fakedoomed", "never_reached"): (
        {("unavailable", "fakedoomed cannot be imported: ImportError: the device is gone")},
    ) * 2,
    ("fakeflushing", "works"): (WELL, WELL),
    ("fakemute", "works"): (WELL, WELL),
}  # fmt: skip


@pytest.mark.parametrize(("key", "outcome"), OUTCOMES.items(), ids=[":".join(key) for key in OUTCOMES])
def test_every_cell_carries_its_own_outcome(unruly, key, outcome):
    found = answers(unruly, *key)
    for quantity, suites in zip(("value", "grad:z"), outcome, strict=True):
        wanted = suites if isinstance(suites, dict) else dict.fromkeys(ALL, suites)
        assert found[quantity] == wanted, quantity


@pytest.mark.parametrize(("call", "status", "reason"), [
    ("leaves", "died", r"exit status 0"),
    ("hangs", "timeout", rf"no answer within {PATIENCE:.0f} s"),
])  # fmt: skip
def test_cells_that_end_a_process_say_how(unruly, call, status, reason):
    for suites in answers(unruly, "fakelib", call).values():
        for ((found, why),) in suites.values():
            assert found == status and re.match(reason, why)


def test_absent_libraries_have_rows(unruly):
    rows = [row for row in unruly.rows if row.library == "fakeabsent" and row.call != "-"]
    assert {(row.status, row.reason) for row in rows} == {
        ("unavailable", "a_module_that_nobody_ships is not installed")
    }
    assert {row.call for row in rows} == {"works"}


def test_all_the_others_are_measured_right(unruly):
    for row in unruly.rows:
        right = row.call.startswith("works") and row.library != "fakeflushing" and row.status == "measured"
        if right and row.suite == "landmarks" and row.metric == "ulp":
            assert row.n == 1 and row.verdict == "ok", row


def test_the_run_ends_normally(unruly):
    plan = json.loads((unruly.folder / "plan.json").read_text())
    assert plan["complete"] is True
    assert plan["measured_s"] > 0
    assert not (unruly.folder / "work").exists()
    assert unruly.seconds < 60
    assert all(process.poll() is not None for process in unruly.run._processes)


def test_every_unit_is_there_once(unruly):
    ids = [unit for unit, _ in unruly.units]
    assert len(ids) == len(set(ids))
    probed = {unit.library for unit in unruly.run.plan.units}
    extra = {"absences", "equivalences", *(f"probe/{library}" for library in probed)}
    assert set(ids) == {unit.id for unit in unruly.run.plan.units} | extra


def test_no_two_rows_measure_the_same(unruly):
    keys = [tuple(getattr(row, name) for name in KEY) for row in unruly.rows]
    assert sorted(k for k in keys if keys.count(k) > 1) == []


def test_nothing_is_left_without_a_reason(unruly):
    for row in unruly.rows:
        assert row.status == "measured" or len(row.reason.split()) > 2, row


def test_flushing_is_probed_and_told(unruly):
    probes = {row.library: row for row in unruly.rows if row.metric == "ftz"}
    assert probes["fakeflushing"].value == 1.0 and "results" in probes["fakeflushing"].reason
    assert probes["fakelib"].value == 0.0
    assert (probes["fakemute"].status, probes["fakemute"].reason) == ("raised", "TypeError: no multiplication")
    assert {row.library for row in unruly.rows if row.metric == "ulp_ftz"} == {"fakeflushing"}


def test_import_times_are_told_once_a_library(unruly):
    """A library that is started again after a crash is not a second library."""
    found = [row.library for row in unruly.rows if row.metric == "import_s"]
    assert sorted(found) == ["fakedeviceless", "fakedoomed", "fakeflushing", "fakelib", "fakemute"]


def test_progress_is_what_was_announced(unruly):
    stages = dict(unruly.progress.stages)
    assert stages["accuracy"] == len(unruly.run.plan.units)
    assert unruly.progress.steps == stages


def test_env_says_what_the_libraries_said(unruly):
    env = json.loads((unruly.folder / "env.json").read_text())
    assert env["run_id"] == "run"
    assert env["devices"]["fakelib"]["cpu"] == ""
    assert "fakebroken" not in env["devices"]
    status = {name: facts["status"] for name, facts in env["libraries"].items()}
    assert status["fakelib"] == "available"
    assert "cannot be imported" in status["fakebroken"]
    assert status["fakeabsent"] == "a_module_that_nobody_ships is not installed"


@pytest.mark.parametrize("name", ["rows.jsonl", "env.json", "plan.json"])
def test_files_name_no_place(unruly, name):
    text = (unruly.folder / name).read_text()
    assert str(unruly.folder) not in text and str(unruly.folder.parent) not in text
    assert not re.search(rf'"[^"]*\b{re.escape(socket.gethostname())}\b[^"]*"', text)


# -- interrupted and gone on with


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of the steady library that nothing disturbs, throughput included."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = new_run(folder, "quick", 3, STEADY, Silent())
    run.measure()
    return SimpleNamespace(folder=folder, run=run)


def check_finished(folder, whole, timed):
    """The same rows as in the undisturbed run, and no unit twice; without throughput unless `timed`."""
    ids = [unit for unit, _ in read(folder)]
    wanted = {unit for unit, _ in read(whole.folder)}
    assert sorted(ids) == sorted(unit for unit in wanted if timed or not unit.startswith("timing/"))
    assert comparable(folder) == comparable(whole.folder, timed)
    assert json.loads((folder / "plan.json").read_text())["complete"] is True
    assert not (folder / "work").exists()


def test_the_undisturbed_run_has_all_kinds_of_rows(whole):
    rows = [row for _, found in read(whole.folder) for row in found]
    assert {row.metric for row in rows} == {
        "ulp", "rel", "equivalence", "ftz", "import_s", "seconds", "elements_per_s", "gb_per_s", "first_call_s",
        "native_ratio", "prepared_ratio",
    }  # fmt: skip
    assert {row.status for row in rows} == {"measured", "raised"}
    assert {row.dtype for row in rows if row.metric == "ftz"} == {"float32", "float16"}
    assert all(row.suite_hash for row in rows if row.suite in STEADY.suite)


@pytest.mark.parametrize(
    ("stage", "step"),
    [("exact values", 2), ("accuracy", 1), ("accuracy", 13), ("throughput", 3)],
    ids=lambda value: str(value),
)
def test_an_interrupted_run_is_gone_on_with(whole, tmp_path, stage, step):
    def interrupt(name, count):
        if (name, count) == (stage, step):
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    run = new_run(folder, "quick", 3, STEADY, Silent(interrupt))
    with pytest.raises(KeyboardInterrupt):
        run.measure()
    for process in run._processes:
        assert process.wait(timeout=10) is not None
    half = read(folder)  # what is finished is readable
    assert json.loads((folder / "plan.json").read_text())["complete"] is False
    if stage == "accuracy":
        assert sum(unit.startswith("fakesteady") for unit, _ in half) == step
    progress, timed = Silent(), stage == "throughput"
    again = resumed_run(folder, progress)
    (again if timed else untimed(again)).measure()
    assert read(folder)[: len(half)] == half  # and is not measured again
    check_finished(folder, whole, timed)
    measured = dict(progress.stages).get("accuracy", 0)
    assert measured == 14 - sum(unit.startswith("fakesteady") for unit, _ in half)


#: A run in a process of its own that ends itself, or sends itself a signal, at a step of a stage.
PROGRAM = """
import os, sys, signal
from pathlib import Path
from lossbench_fakes import Silent
from lossbench.harness.controller import new_run
from lossbench.harness.plan import Filters

stage, step, number, folder, *impl = sys.argv[1:]

def then(name, count):
    if (name, count) == (stage, int(step)):
        os.kill(os.getpid(), int(number))

filters = Filters(("sigmoid_bce",), tuple(impl), ("landmarks", "label_conventions"), ("float32", "float16"))
if __name__ == "__main__":
    try:
        new_run(Path(folder), "quick", 3, filters, Silent(then)).measure()
    except KeyboardInterrupt:
        sys.exit(130)
"""


def ended_by(number, folder, stage, step, *impl):
    """Run PROGRAM; returns its exit status."""
    arguments = (stage, str(step), str(int(number)), str(folder), *impl)
    return subprocess.run(python("-c", PROGRAM, *arguments), timeout=60, check=False).returncode


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What a run leaves that was killed outright after its fifth unit, without a chance to tidy up."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    assert ended_by(signal.SIGKILL, folder, "accuracy", 5, "fakesteady:*") == -signal.SIGKILL
    return folder


@pytest.mark.parametrize("cut", [0, 25], ids=["whole lines", "cut line"])
def test_a_killed_run_is_gone_on_with(whole, killed, tmp_path, cut):
    """Its last line may be torn as well."""
    folder = shutil.copytree(killed, tmp_path / "run")
    path = folder / "rows.jsonl"
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    assert sum(unit.startswith("fakesteady") for unit, _ in read(folder)) == 5 - bool(cut)
    untimed(resumed_run(folder, Silent())).measure()
    check_finished(folder, whole, timed=False)


def test_an_interrupt_from_the_keyboard_ends_a_run_at_once(tmp_path):
    """Though another library is in the middle of a call that takes its time."""
    folder = tmp_path / "run"
    started = time.monotonic()
    code = ended_by(signal.SIGINT, folder, "accuracy", 3, "fakesteady:*", "fakeslow:*")
    assert code == 130
    assert time.monotonic() - started < 20
    assert 1 <= sum(unit.startswith("fake") for unit, _ in read(folder)) < 15
    statuses = {row.status for _, rows in read(folder) for row in rows if row.library == "fakeslow"}
    assert statuses <= {"unsupported"}  # a measurement that was ended is not a library that died


def test_a_finished_run_has_nothing_to_go_on_with(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    before = (folder / "rows.jsonl").read_bytes()
    progress = Silent()
    run = resumed_run(folder, progress)
    run.measure()
    assert (folder / "rows.jsonl").read_bytes() == before
    assert progress.stages == [] and not run._processes


def test_what_a_run_was_asked_is_remembered(whole):
    again = resumed_run(whole.folder, Silent())
    assert again.plan.filters == STEADY
    assert (again.plan.tier, again.plan.seed) == ("quick", 3)
    assert [u.id for u in again.plan.units] == [u.id for u in whole.run.plan.units]
    assert again.cells == whole.run.cells


def test_time_adds_up(whole, tmp_path):
    folder = shutil.copytree(whole.folder, tmp_path / "run")
    saved = json.loads((folder / "plan.json").read_text())
    resumed_run(folder, Silent()).measure()
    assert json.loads((folder / "plan.json").read_text())["measured_s"] >= saved["measured_s"] > 0


def test_a_folder_is_not_used_twice(whole):
    with pytest.raises(FileExistsError, match="--resume"):
        new_run(whole.folder, "quick", 3, STEADY, Silent())


def test_a_folder_without_a_run_cannot_be_gone_on_with(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        resumed_run(tmp_path, Silent())


def test_a_run_is_called_after_its_folder(tmp_path, monkeypatch):
    (tmp_path / "name").mkdir()
    monkeypatch.chdir(tmp_path / "name")
    for folder in (tmp_path / "name", Path("../name"), Path(".")):
        assert new_run(folder, "quick", 0, STEADY, Silent()).context.run_id == "name"


def test_versions_of_absent_libraries_are_empty(whole):
    versions = whole.run.context.versions
    assert versions["fakeabsent"] == ""
    assert versions["fakesteady"] == versions["numpy"] != ""


def test_prediction_counts_accuracy_and_throughput(whole):
    run = resumed_run(whole.folder, Silent())
    both = run.predicted_seconds
    run.cells = []
    assert 0 < run.predicted_seconds < both


def test_without_the_benchmark_library_every_cell_says_so(whole, tmp_path, monkeypatch):
    why = "pytest-benchmark is not installed (extra `report`)"
    monkeypatch.setattr(controller.timing, "unavailable", lambda: why)
    progress = Silent()
    run = new_run(tmp_path / "run", "quick", 3, STEADY, progress)
    run.finished |= {unit.id for unit in run.plan.units}
    run.measure()
    rows = [row for unit, found in read(tmp_path / "run") for row in found if unit.startswith("timing/")]
    assert len(rows) == len(run.cells) > 0
    assert {(row.status, row.reason, row.suite) for row in rows} == {("unavailable", why, "throughput")}
    assert progress.sentences == [f"throughput is not measured: {why}"]
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["complete"] is True
