"""env.json and plan.json: written whole or not at all, and kept when a run is gone on with."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lossbench.harness.record import Record


@pytest.fixture
def made(tmp_path):
    found = Record(tmp_path)
    found.environment("first")
    return found


def env(made):
    return json.loads((made.folder / "env.json").read_text(encoding="utf-8"))


def test_the_environment_of_the_first_start_is_kept(made):
    before = env(made)
    made.environment("second")
    assert env(made) == before and before["run_id"] == "first"


def test_notes_add_up(made):
    made.note("numpy", devices={"cpu": ""}, pools=[])
    made.note("scipy", devices={"cpu": "no"})
    made.note("torch", "torch cannot be imported")
    found = env(made)
    assert found["devices"] == {"numpy": {"cpu": ""}, "scipy": {"cpu": "no"}}
    assert found["pools"] == {"numpy": []}
    assert found["libraries"]["torch"]["status"] == "torch cannot be imported"
    assert found["libraries"]["numpy"]["status"] == "available"


def test_notes_of_several_threads_are_all_kept(made):
    names = [f"library{i}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: made.note(name, devices={"cpu": ""}), names))
    assert set(env(made)["devices"]) == set(names)


def test_a_write_that_fails_leaves_the_old_file(made, monkeypatch):
    made.plan({"tier": "quick"})

    def cut_short(path, text, **options):
        with open(path, "w", **options) as file:
            file.write(text[: len(text) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(OSError, match="disk full"):
        made.plan({"tier": "full"})
    monkeypatch.undo()
    assert made.saved_plan() == {"tier": "quick"}


def test_no_partial_file_stays(made):
    made.plan({"tier": "quick"})
    assert {path.name for path in made.folder.iterdir()} == {"env.json", "plan.json"}


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        Record(tmp_path).saved_plan()
