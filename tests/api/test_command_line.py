"""The command line: what it prints, what it refuses, and its exit codes; on a library that is always there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lossbench.cli import main

SMALL = ["--quick", "--impl", "native:sigmoid_bce:*", "--suite", "landmarks", "--dtype", "float32"]


def lossbench(*arguments, cwd, **keywords):
    command = [sys.executable, "-P", "-m", "lossbench", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **keywords)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    result = lossbench("run", *SMALL, "--out", folder / "one", "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "one", json.loads(result.stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--form", "sigmoid_bec"], ["form", "'sigmoid_bec'", "sigmoid_bce"]),
        (["run", "--impl", "torhc:*"], ["impl", "'torhc:*'", "torch:"]),
        (["run", "--dtype", "float23"], ["dtype", "'float23'", "float32"]),
        (["run", "--suite", "landmark"], ["suite", "'landmark'", "landmarks"]),
        (["report", "nowhere"], ["nowhere", "no run"]),
        (["run", "--resume", "nowhere"], ["nowhere", "no run"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_bad_input_is_one_sentence_with_the_nearest_names_and_exit_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("lossbench ")
    for word in words:
        assert word in error


@pytest.mark.parametrize("topic", ["forms", "implementations", "suites", "metrics", "libraries"])
def test_list_answers_in_tables_and_json(topic, capsys):
    assert main(["list", topic, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)[topic]
    assert len(rows) >= 9 or topic == "metrics"
    assert main(["list", topic]) == 0
    assert rows[0][next(iter(rows[0]))].split(":")[0][:8] in capsys.readouterr().out


def test_list_implementations_has_the_documented_keys_and_what_is_not_installed(capsys):
    main(["list", "implementations", "--json"])
    rows = json.loads(capsys.readouterr().out)["implementations"]
    assert set(rows[0]) == {"id", "library", "call", "mode", "device", "forms", "available", "reason"}
    assert {"torch", "tensorflow", "jax", "sklearn"} <= {row["library"] for row in rows}
    assert all(row["available"] == (row["reason"] == "") for row in rows)


def test_dry_run_prints_the_predicted_time_and_what_is_left_out(tmp_path):
    result = lossbench("run", "--quick", "--dry-run", "--json", cwd=tmp_path)
    plan = json.loads(result.stdout)
    assert result.returncode == 0 and plan["predicted_s"] > 0
    assert plan["left_out"] and all(sentence[:40] in result.stderr.replace("\n", " ") for sentence in plan["left_out"])
    assert not list(tmp_path.iterdir())


def test_a_run_writes_every_report(small_run):
    folder, answer = small_run
    names = {"rows.jsonl", "rows.parquet", "accuracy.csv", "throughput.csv", "report.md", "report.html", "env.json"}
    assert names <= {path.name for path in folder.iterdir()}
    assert {os.path.basename(path) for path in answer["reports"]} <= names


def test_a_finished_run_is_never_overwritten(small_run):
    folder, _ = small_run
    result = lossbench("run", *SMALL, "--out", folder, cwd=folder.parent)
    assert result.returncode == 2 and "--resume" in result.stderr


def test_gate_and_accept(small_run):
    folder, _ = small_run
    baseline = folder.parent / "baseline.csv"
    missing = lossbench("gate", folder, "--baseline", baseline, cwd=folder.parent)
    assert missing.returncode == 3 and "no baseline" in missing.stdout
    assert lossbench("accept", folder, "--baseline", baseline, cwd=folder.parent).returncode == 0
    equal = lossbench("gate", folder, "--baseline", baseline, cwd=folder.parent)
    assert equal.returncode == 0 and "no regressions" in equal.stdout
    lines = baseline.read_text().splitlines()
    value = lines[0].split(",").index("value")
    cells = lines[-1].split(",")
    assert float(cells[value]) > 0
    cells[value] = "1e-300"
    baseline.write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")
    worse = lossbench("gate", folder, "--baseline", baseline, cwd=folder.parent)
    assert worse.returncode == 1 and "regression" in worse.stdout and "lossbench run" in worse.stdout
    answer = json.loads(lossbench("gate", folder, "--baseline", baseline, "--json", cwd=folder.parent).stdout)
    assert answer["exit_code"] == 1 and len(answer["regressions"]) == 1
    assert answer["compared"] > 1


def test_a_second_run_measures_the_same(small_run, tmp_path):
    folder, _ = small_run
    baseline = tmp_path / "baseline.csv"
    lossbench("accept", folder, "--baseline", baseline, cwd=tmp_path)
    assert lossbench("run", *SMALL, "--out", tmp_path / "two", cwd=tmp_path).returncode == 0
    assert lossbench("gate", tmp_path / "two", "--baseline", baseline, cwd=tmp_path).returncode == 0


def test_an_interrupted_run_keeps_what_is_finished_and_resumes(tmp_path):
    arguments = ["run", "--quick", "--impl", "numpy:*", "--form", "softmax_xent,sigmoid_bce", "--out", "cut"]
    command = [sys.executable, "-P", "-m", "lossbench", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    rows = tmp_path / "cut" / "rows.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (rows.exists() and rows.read_bytes().count(b"\n") > 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in errors
    finished = {json.loads(line)["unit"] for line in rows.read_text().splitlines()}
    assert len(finished) > 3
    resumed = lossbench("run", "--resume", "cut", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    units = [json.loads(line)["unit"] for line in rows.read_text().splitlines()]
    assert len(units) == len(set(units)) and finished < set(units)
    assert json.loads((tmp_path / "cut" / "plan.json").read_text())["complete"] is True


def test_help_and_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lossbench 0")
    assert main([]) == 2


def test_exact_is_reached_from_the_top():
    import lossbench

    assert float(lossbench.exact("sigmoid", 0.0, dtype="float32").value) == 0.5
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lossbench.nothing


def test_conventions_are_asked_judged_and_reported(tmp_path):
    asked = ("conventions", "--impl", "native:softmax_xent:*", "--out", "c", "--json")
    result = lossbench(*asked, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["counts"]["conventions"]["right"] > 0 and "silently wrong" not in answer["counts"]["conventions"]
    names = {path.rpartition("/")[2] for path in answer["reports"]}
    assert names >= {"report.md", "report.html", "findings.md", "reproducers"}
    again = lossbench("report", "c", cwd=tmp_path)
    assert again.returncode == 0 and "findings.md" in again.stdout


def test_conventions_of_nothing_are_refused(tmp_path):
    result = lossbench("conventions", "--impl", "nothing:*", "--out", "c", cwd=tmp_path)
    assert result.returncode == 2 and "matches no installed implementation" in result.stderr
