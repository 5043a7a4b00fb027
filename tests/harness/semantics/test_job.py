"""The job: a library is asked in its own process, answers are kept, and a second run asks nothing again."""

from __future__ import annotations

import json

import pytest

from lossbench.harness.semantics import job as module
from lossbench.harness.semantics import plan
from lossbench.harness.semantics.job import ANSWERS, Job
from lossbench.harness.semantics.judging import counts, judge, write

#: Laws between a call and another of its library, which may be the textbook's.
PAIRS = ("two classes", "{0,1} = {-1,+1}")
GLOBS = ("numpy:stable:*", "numpy:textbook:*")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return Job(tmp_path_factory.mktemp("semantics"), globs=GLOBS)


@pytest.fixture(scope="module")
def answers(job):
    return job.run()


def test_every_ask_is_answered(job, answers):
    assert set(answers) == {ask.id for asks in job.asks().values() for ask in asks}
    assert not {answer.status for answer in answers.values()} - {"measured", "raised"}


def test_what_is_answered_is_not_asked_again(job, answers, monkeypatch):
    monkeypatch.setattr(module, "run_worker", lambda *a, **k: pytest.fail("asked again"))
    assert set(job.run()) == set(answers)


def test_an_answer_cut_short_is_asked_again(job, answers, monkeypatch):
    path = job.folder / ANSWERS
    text = path.read_text(encoding="utf-8")
    asked = []
    monkeypatch.setattr(module, "run_worker", lambda command, library, job, *rest: asked.extend(job["units"]))
    path.write_text(text[:-20], encoding="utf-8")
    job.run()
    path.write_text(text, encoding="utf-8")
    assert len(asked) == 1


def test_no_cell_is_empty(job, answers):
    found = judge(job, answers)
    for record in found["conventions"]:
        assert record["verdict"] and (record["verdict"] != "not applicable" or record["text"])
    subjects = [s for s in plan.subjects("numpy", globs=GLOBS) if s.encodings != ("-",)]
    assert len(found["conventions"]) == len(subjects) * 19


def test_textbook_formulas_break_laws_that_stable_ones_keep(job, answers):
    broken = {
        (r["call"], r["form"], r["law"]) for r in judge(job, answers)["laws"] if r["verdict"] == "broken" and r["ulps"]
    }
    assert ("textbook", "sigmoid_bce", "mirror") in broken
    assert not {entry for entry in broken if entry[0] == "stable" and entry[2] not in PAIRS}


def test_semantics_are_written(job, answers):
    path = write(job, answers)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert set(counts(found)) == {"conventions", "special", "laws"}
    assert found["libraries"]["numpy"]["version"]
