"""From answers to records: one a cell of the conventions, formula, special point, and law. Nothing is asked here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossbench.harness.adapters import adapter_of
from lossbench.harness.semantics import conventions, laws, plan, special
from lossbench.harness.semantics.ask import Answer
from lossbench.harness.semantics.expressions import EXPRESSIONS
from lossbench.harness.semantics.formulas import QUESTIONS
from lossbench.harness.semantics.job import SEMANTICS, Job, facts
from lossbench.harness.semantics.plan import Subject
from lossbench.harness.semantics.verdicts import (
    NAN,
    NONE,
    RIGHT,
    SILENT,
    VERDICTS,
    Verdict,
    convention,
    formula,
    stored,
)

Record = dict[str, Any]
#: Cells of the worst case of several: what is silent before what is seen.
_WORST = {name: rank for rank, name in enumerate(VERDICTS)}
_NOT_ASKED = Answer("unavailable", "was not asked")


def judge(job: Job, answers: dict[str, Answer]) -> dict[str, Any]:
    """Every record of a job."""
    found: dict[str, Any] = {**facts(), "full": job.full, "conventions": [], "formulas": [], "special": [], "laws": []}
    found["absent"] = []
    for library in plan.everything():
        if adapter_of(library).installed():
            continue
        names = ("call", "mode", "dtype", "reason")
        found["absent"] += [
            {"library": library, **dict(zip(names, entry, strict=True))} for entry in plan.absent(library, job.full)
        ]
        subjects = plan.subjects(library, job.full, job.globs)
        by_subject = {subject.key: _answered(subject, answers) for subject in subjects}
        for subject in subjects:
            mine = by_subject[subject.key]
            found["conventions"] += _conventions(subject, mine, answers)
            found["special"] += _special(subject, mine)
            found["laws"] += _laws(subject, mine, by_subject)
        found["formulas"] += _formulas(library, subjects, answers)
    return found


def write(job: Job, answers: dict[str, Answer]) -> Path:
    """Judge, and write semantics.json into the job's folder; returns its path."""
    path = job.folder / SEMANTICS
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(judge(job, answers), indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _key(subject: Subject) -> Record:
    return dict(zip(plan.KEY, subject.key, strict=True))


_Answers = dict[tuple[str, str], list[tuple[Any, list[str], Answer]]]


def _answered(subject: Subject, answers: dict[str, Answer]) -> _Answers:
    """The answers of a subject by group and column or name."""
    found: _Answers = {}
    for ask, names in plan.questions(subject):
        key = ask.group, ask.case.column if ask.group == "conventions" else ask.case.name
        found.setdefault(key, []).append((ask.case, names, answers.get(ask.id, _NOT_ASKED)))
    return found


def _conventions(subject: Subject, answers: _Answers, everything: dict[str, Answer]) -> Iterator[Record]:
    if subject.encodings == ("-",):
        return
    _, reasons = conventions.cases(subject.form, subject.options, subject.encodings, subject.dtype)
    for column in conventions.COLUMNS:
        key = _key(subject) | {"column": column}
        cells = answers.get(("conventions", column), [])
        if column == "all ignored" and (verdict := _all_ignored(subject, everything)) is not None:
            yield key | stored(verdict)
            continue
        if not cells:
            yield key | stored(Verdict(NONE, reasons.get(column, "this convention is none for the form")))
            continue
        judged = [(case.name, convention(case, answer)) for case, _, answer in cells]
        name, worst = max(judged, key=lambda item: _WORST[item[1].verdict])
        several = {"questions": {n: v.verdict for n, v in judged}} if len(judged) > 1 else {}
        yield key | stored(worst) | ({"question": name} if name else {}) | several


def _all_ignored(subject: Subject, answers: dict[str, Answer]) -> Verdict | None:
    """What the call's mean is of a batch of ignored labels, where an expression asks so; None where none does."""
    texts = EXPRESSIONS.get(subject.library, {}).get("all ignored", ())
    text = next((t for t in texts if subject.function in t), None)
    if text is None or subject.form != "softmax_xent" or subject.mode != adapter_of(subject.library).modes[0]:
        return None
    ask = next(a for a in plan.formulas(subject.library, [subject]) if a.expression == text)
    follows, remark = formula("all ignored", answers.get(ask.id, _NOT_ASKED))
    if follows == "0":
        return Verdict(RIGHT, f"{text} is 0")
    return Verdict(NAN if follows == "NaN" else SILENT, f"{text} is {follows} {remark}".strip())


def _special(subject: Subject, answers: _Answers) -> Iterator[Record]:
    key = _key(subject)
    for (group, _), cells in answers.items():
        if group == "special":
            for case, names, answer in cells:
                for record in special.judge(case, names, answer):
                    yield key | {"encoding": case.encoding} | record


def _laws(
    subject: Subject, answers: _Answers, everyone: dict[tuple[str, str, str, str, str, str], _Answers]
) -> Iterator[Record]:
    own = {name: cells[0][2] for (group, name), cells in answers.items() if group == "laws"}
    library, form, call, options, mode, dtype = subject.key
    for other in ("sigmoid_bce", "margin_logistic"):
        match = next((k for k in everyone if (k[0], k[1], *k[3:]) == (library, other, "", mode, dtype)), None)
        if match is not None:
            own[other] = everyone[match]["laws", "base"][0][2]
    first = (library, form, call, options, adapter_of(library).modes[0], dtype)
    if subject.key != first and first in everyone:
        own["eager"] = everyone[first]["laws", "base"][0][2]
    for law in laws.LAWS:
        record = laws.judge(law, form, own, subject.encodings, dtype, options)
        if record is not None:
            yield _key(subject) | {"law": law.name} | record


def _formulas(library: str, subjects: list[Subject], answers: dict[str, Answer]) -> Iterator[Record]:
    for ask in plan.formulas(library, subjects):
        question, answer = ask.case.column, answers.get(ask.id, _NOT_ASKED)
        follows, remark = formula(question, answer)
        key = {"library": library, "question": question, "expression": ask.expression, "mode": ask.mode}
        values = {} if answer.value is None else {"values": answer.value.tolist()}
        good = QUESTIONS[question].good
        yield key | {"follows": follows, "remark": remark} | ({"agrees": follows == good} if good else {}) | values


def counts(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Group -> verdict -> how many records."""
    tally: dict[str, dict[str, int]] = {}
    for group, name in (
        ("conventions", "verdict"),
        ("formulas", "follows"),
        ("special", "verdict"),
        ("laws", "verdict"),
    ):
        for record in found[group]:
            row = tally.setdefault(group, {})
            row[record[name]] = row.get(record[name], 0) + 1
    return tally
