"""The cache of certified results: what it holds is used only when it is whole, of these sources, and still right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lossbench.reference import cache as module
from lossbench.reference import form_of
from lossbench.reference.cache import DAMAGED, HIT, MISS, STALE, Cache, Question, default_folder
from lossbench.reference.oracle import same_results


@pytest.fixture
def question():
    z = np.linspace(-30, 30, 40).astype(np.float32).astype(float)
    return Question(form_of("sigmoid_bce"), z, np.arange(40) % 2.0, "float32", "value", "")


@pytest.fixture
def filled(tmp_path, question):
    cache = Cache(tmp_path)
    answer, outcome = cache.evaluate(question)
    assert outcome == MISS
    (entry,) = tmp_path.iterdir()
    return cache, answer, entry


def rewrite(entry, **changes):
    """An entry with other arrays, and provenance that still fits when `digest` is given."""
    with np.load(entry) as stored:
        arrays = {name: stored[name] for name in stored.files}
    provenance = json.loads(bytes(arrays["provenance"]))
    for name, change in changes.items():
        if name in arrays:
            arrays[name] = change(arrays[name])
        else:
            provenance[name] = change(provenance[name])
    arrays["provenance"] = np.frombuffer(json.dumps(provenance).encode(), np.uint8)
    np.savez(entry, **arrays)


def test_a_second_question_is_answered_from_the_entry(filled, question):
    cache, answer, entry = filled
    before = entry.read_bytes()
    again, outcome = cache.evaluate(question)
    assert outcome == HIT and entry.read_bytes() == before
    assert np.all(same_results(again, answer))
    assert np.array_equal(again.certificates, answer.certificates)


def test_provenance_says_what_and_with_what(filled):
    with np.load(filled[2]) as stored:
        provenance = json.loads(bytes(stored["provenance"]))
    assert provenance["form"] == "sigmoid_bce" and provenance["cases"] == 40
    assert set(provenance["makers"]) == {"reference", "mpmath", "python-flint", "numpy", "numba"}


@pytest.mark.parametrize("what", ["x", "y", "dtype", "quantity", "options", "form"])
def test_any_other_question_has_another_entry(question, what):
    other = {
        "x": Question(question.form, -question.x, question.y, "float32", "value", ""),
        "y": Question(question.form, question.x, 1 - question.y, "float32", "value", ""),
        "dtype": Question(question.form, question.x, question.y, "float64", "value", ""),
        "quantity": Question(question.form, question.x, question.y, "float32", "grad:z", ""),
        "options": Question(question.form, question.x, question.y, "float32", "value", "pos_weight=2.0"),
        "form": Question(form_of("sigmoid_mse"), question.x, question.y, "float32", "value", ""),
    }[what]
    assert other.name != question.name


def test_an_entry_of_other_sources_is_stale(filled, question, monkeypatch):
    cache, answer, _ = filled
    monkeypatch.setattr(module, "makers", lambda: {"reference": "of tomorrow"})
    again, outcome = cache.evaluate(question)
    assert outcome == STALE and np.all(same_results(again, answer))
    assert cache.evaluate(question)[1] == HIT  # it was written anew


def cut(entry):
    entry.write_bytes(entry.read_bytes()[:200])


def flip(entry):
    rewrite(entry, value=lambda value: np.where(np.arange(len(value)) == 7, np.nextafter(value, np.inf), value))


def shorten(entry):
    rewrite(entry, value=lambda value: value[:-1])


def garble(entry):
    entry.write_bytes(b"no archive")


@pytest.mark.parametrize("damage", [cut, flip, shorten, garble], ids=lambda f: f.__name__)
def test_a_damaged_entry_is_detected_and_computed_anew(filled, question, damage):
    cache, answer, entry = filled
    damage(entry)
    again, outcome = cache.evaluate(question)
    assert outcome == DAMAGED and np.all(same_results(again, answer))
    assert cache.evaluate(question)[1] == HIT


def test_a_wrong_entry_with_the_right_digest_is_caught_by_the_sample(filled, question):
    cache, answer, entry = filled
    wrong = np.nextafter(answer.value, np.inf)  # everywhere, so that any sample meets it
    forged = module.Exact(wrong, answer.ulp_exponent, answer.tail, answer.certificates)
    rewrite(entry, value=lambda _: wrong, digest=lambda _: module._digest(forged))
    again, outcome = cache.evaluate(question)
    assert outcome == DAMAGED and np.all(same_results(again, answer))


def test_the_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("LOSSBENCH_CACHE", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
    monkeypatch.delenv("LOSSBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "lossbench" / "exact"
