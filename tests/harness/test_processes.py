"""Worker processes: whatever one does, every unit gets an answer once, and the caller gets its control back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from lossbench.harness.processes import last_words, python, run_worker, worker_environment

#: A worker without a library: it does what its units say. A deed may be `once`: it fails the first time only.
WORKER = """
import json, os, signal, sys, time
job = json.load(open(sys.argv[1]))

def say(**event):
    os.write(1, (json.dumps(event) + "\\n").encode())

def do(deed):
    if deed == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if deed == "hang": time.sleep(600)
    if deed == "leave": sys.exit(0)
    if deed == "exit":
        sys.stderr.write("first words\\nlast words\\n\\n")
        sys.exit(7)
    if deed == "garbage":
        os.write(1, b'\\xff\\x00 not text\\n{"event": \\n[1, 2]\\n"event"\\n{"no": "event"}\\n\\n')
    if deed == "input": assert sys.stdin.read() == ""

for probe in job.get("probes", []):
    say(event="probe", probe=probe)
do(job.get("before"))
if job.get("away"):
    say(event="unavailable", reason=job["away"])
    sys.exit(job.get("status", 0))
say(event="loaded")
for unit in job["units"]:
    do(unit.get("between"))
    say(event="start", unit=unit["id"])
    do(unit.get("do"))
    say(event="done", unit=unit["id"], cwd=os.getcwd())
do(job.get("after"))
"""

PATIENCE = 1.4


def command(job_file):
    return [sys.executable, "-I", "-S", "-c", WORKER, str(job_file)]


class Listener:
    """Keeps the events and the processes of a job."""

    def __init__(self, folder):
        self.folder, self.events, self.processes = folder, [], []

    def run(self, *units, patience=PATIENCE, **job):
        units = [{"id": str(i), **unit} for i, unit in enumerate(units)]
        run_worker(
            command,
            "numpy",
            {"units": units, **job},
            self.folder,
            self.events.append,
            patience=patience,
            alive=self.processes.append,
        )
        assert all(process.poll() is not None for process in self.processes)
        return self

    def named(self, name):
        return [event for event in self.events if event["event"] == name]

    @property
    def done(self):
        return [event["unit"] for event in self.named("done")]

    @property
    def failed(self):
        return {event["unit"]: (event["status"], event["reason"]) for event in self.named("failed")}


@pytest.fixture
def worker(tmp_path):
    return Listener(tmp_path / "a" / "b")


WELL = {}


def test_units_are_done_in_order(worker):
    worker.run(WELL, WELL, WELL)
    assert [event["event"] for event in worker.events] == ["loaded", *["start", "done"] * 3]
    assert worker.done == ["0", "1", "2"]
    assert len(worker.processes) == 1


def test_no_units_need_one_process_at_most(worker):
    worker.run()
    assert len(worker.processes) <= 1 and not worker.failed


# deed: status and reason of the unit that did it
ENDINGS = {
    "kill": ("died", "killed by signal 9"),
    "leave": ("died", "exit status 0"),
    "exit": ("died", "exit status 7: last words"),
    "hang": ("timeout", "no answer within 1 s"),
}


@pytest.mark.parametrize(
    ("deed", "place"),
    [*((deed, place) for deed in ("kill", "leave", "exit") for place in range(3)), ("hang", 1), ("hang", 2)],
)
def test_a_unit_that_ends_the_process_costs_itself_only(worker, deed, place):
    units = [WELL, WELL, WELL]
    units[place] = {"do": deed}
    worker.run(*units)
    assert worker.failed == {str(place): ENDINGS[deed]}
    assert worker.done == [str(i) for i in range(3) if i != place]
    assert len(worker.processes) == (1 if place == 2 else 2)


def test_several_crashes_in_one_job(worker):
    worker.run({"do": "kill"}, WELL, {"do": "exit"}, {"do": "kill"}, WELL)
    assert list(worker.failed) == ["0", "2", "3"]
    assert worker.done == ["1", "4"]


def test_every_unit_is_answered_once_when_all_crash(worker):
    worker.run(*[{"do": "kill"}] * 4)
    assert [event["unit"] for event in worker.named("failed")] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("deed", ["kill", "leave", "hang"])
def test_an_end_between_two_units_costs_none(worker, deed):
    """Between two units nothing is being measured: a fresh process goes on."""
    once = worker.folder / "once"
    once.parent.mkdir(parents=True)

    def first_time_only(job_file):
        job = json.loads(job_file.read_text())
        if once.exists():
            for unit in job["units"]:
                unit.pop("between", None)
            job_file.write_text(json.dumps(job))
        once.touch()
        return command(job_file)

    units = [{"id": "0"}, {"id": "1", "between": deed}, {"id": "2"}]
    run_worker(first_time_only, "numpy", {"units": units}, worker.folder, worker.events.append, patience=PATIENCE)
    assert worker.done == ["0", "1", "2"] and not worker.failed


@pytest.mark.parametrize("deed", ENDINGS)
def test_a_process_that_never_comes_as_far_as_a_unit_is_not_tried_again(worker, deed):
    worker.run(WELL, WELL, before=deed)
    assert worker.failed == dict.fromkeys(("0", "1"), ENDINGS[deed])
    assert len(worker.processes) == 1


@pytest.mark.parametrize("deed", ENDINGS)
def test_an_end_after_the_last_unit_costs_nothing(worker, deed):
    started = time.monotonic()
    worker.run(WELL, after=deed)
    assert worker.done == ["0"] and not worker.failed
    assert len(worker.processes) == 1
    assert time.monotonic() - started < 2 * PATIENCE + 1


def test_probes_are_made_once(worker):
    worker.run(WELL, {"do": "kill"}, WELL, probes=["p", "q"])
    assert [event["probe"] for event in worker.named("probe")] == ["p", "q"]
    assert len(worker.processes) == 2


@pytest.mark.parametrize("status", [0, 3])
def test_an_unavailable_library_is_told_once(worker, status):
    worker.run(WELL, WELL, away="no such library", status=status)
    assert [event["reason"] for event in worker.named("unavailable")] == ["no such library"]
    assert not worker.failed and len(worker.processes) == 1


def test_garbage_on_the_event_stream_is_passed_over(worker):
    worker.run({"do": "garbage"}, WELL)
    assert [event["event"] for event in worker.events] == ["loaded", *["start", "done"] * 2]


def test_slow_is_not_hung(worker):
    """Patience is counted from the last word, not from the start."""
    slow = "import sys, time; exec(sys.argv[2].replace('def do(deed):', 'def do(deed):\\n    time.sleep(0.25)'))"

    def slowly(job_file):
        return [sys.executable, "-I", "-S", "-c", slow, str(job_file), WORKER]

    units = [{"id": str(i)} for i in range(3)]
    run_worker(slowly, "numpy", {"units": units}, worker.folder, worker.events.append, patience=PATIENCE)
    assert worker.done == ["0", "1", "2"]


def test_a_process_has_no_terminal_and_its_own_session(worker):
    sessions = []
    run_worker(
        command, "numpy", {"units": [{"id": "0", "do": "input"}]}, worker.folder, worker.events.append,
        alive=lambda process: sessions.append(os.getsid(process.pid)),
    )  # fmt: skip
    assert worker.done == ["0"]
    assert sessions and sessions[0] != os.getsid(0)
    assert worker.named("done")[0]["cwd"] == str(worker.folder)


def test_a_listener_that_raises_ends_the_job(worker):
    class StopError(Exception):
        pass

    def listen(event):
        raise StopError

    with pytest.raises(StopError):
        run_worker(
            command, "numpy", {"units": [{"id": "0", "do": "hang"}]}, worker.folder, listen, PATIENCE,
            alive=worker.processes.append,
        )  # fmt: skip
    for process in worker.processes:  # the caller was told of them to end them
        process.kill()
        process.wait(timeout=10)


def test_libraries_are_started_with_what_they_ask_for(monkeypatch):
    monkeypatch.setenv("LOSSBENCH_TEST", "kept")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)  # the tests of the adapter set it
    environment = worker_environment("keras")
    assert environment["LOSSBENCH_TEST"] == "kept"
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "KERAS_BACKEND" not in worker_environment("numpy")


def test_python_does_not_import_from_the_working_directory(tmp_path):
    (tmp_path / "lossbench.py").write_text("raise SystemExit('shadowed')")
    run = subprocess.run(python("-c", "import lossbench"), cwd=tmp_path, check=False)
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(b"one\ntwo\n", "two", id="last line"),
        pytest.param(b"one\n\n  \n", "one", id="blank lines"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"\xff\xfe!", "\ufffd\ufffd!", id="no text"),
        pytest.param(b"x" * 500, "x" * 200, id="long"),
    ],
)
def test_last_words(tmp_path, text, words):
    (tmp_path / "log").write_bytes(text)
    assert last_words(tmp_path / "log") == words


def test_no_log_has_no_last_words(tmp_path):
    assert last_words(tmp_path / "log") == ""
