"""Formulas: the named answers are apart, and every expression belongs to a question."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lossbench.harness.adapters import LIBRARIES
from lossbench.harness.semantics.ask import Answer
from lossbench.harness.semantics.expressions import EXPRESSIONS
from lossbench.harness.semantics.formulas import QUESTIONS, arrays
from lossbench.harness.semantics.verdicts import formula


def test_expressions_ask_known_questions():
    assert set(EXPRESSIONS) <= set(LIBRARIES)
    assert {question for asked in EXPRESSIONS.values() for question in asked} == set(QUESTIONS)
    for texts in (texts for asked in EXPRESSIONS.values() for texts in asked.values()):
        for text in texts:
            compile(text, "expression", "eval")


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda q: q.name)
def test_answers_are_apart_and_found(question):
    answers = question.answers()
    assert not question.good or question.good in answers
    for name, value in answers.items():
        assert formula(question.name, Answer("measured", value=value, dtype="float32")) == (name, "")
    for a, b in itertools.combinations(answers.values(), 2):
        assert a.shape != b.shape or np.isnan(a).any() or np.isnan(b).any() or np.abs(a - b).max() > 2.0**-6


def test_what_follows_nothing_is_said_with_its_numbers():
    follows, remark = formula("sum", Answer("measured", value=np.array(7.0), dtype="float32"))
    assert (follows, remark) == ("none of the named", "gives 7")
    assert formula("sum", Answer("raised", "TypeError: no")) == ("raised", "TypeError: no")


def test_arrays_tell_rows_from_classes():
    assert arrays()["z"].shape == (4, 3) and arrays()["q2"].sum() == 2
