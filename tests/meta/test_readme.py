"""The README: its example runs, and what it names exists."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from lossbench.cli import TOPICS
from lossbench.harness.rows import BAD
from lossbench.reference import FORMS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_example_runs():
    examples = doctest.DocTestParser().get_examples(README)
    assert examples
    runner = doctest.DocTestRunner()
    runner.run(doctest.DocTest(examples, {}, "README", None, None, None))
    assert runner.summarize(verbose=False).failed == 0


def test_every_form_category_topic_and_folder_is_named():
    for form in FORMS:
        assert f"`{form.name}`" in README, form.name
    for category in BAD:
        assert f"`{category}`" in README, category
    assert "|".join(TOPICS) in README
    for folder in re.findall(r"^\| `(\w+)/` ", README, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_the_two_commands_are_those_of_ci():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python -m pip install tox && tox -e test" in README
    assert "python -m pip install tox && tox -e bench" in README
    assert "python -m pip install tox && tox -e test" in script
