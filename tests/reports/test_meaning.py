"""The reports on meaning: findings, reproducers that show what they claim, advice, documented differences."""

from __future__ import annotations

import ast
import functools
import importlib
import json
from dataclasses import replace

import numpy as np
import pytest

from lossbench.cli import main
from lossbench.harness.adapters import LIBRARIES, adapter_of
from lossbench.harness.semantics.expressions import EXPRESSIONS
from lossbench.harness.semantics.job import Job
from lossbench.harness.semantics.judging import write
from lossbench.reports import advice, semantics
from lossbench.reports.causes import CAUSES, MODES
from lossbench.reports.defects import findings, unwritten
from lossbench.reports.documented import documented, entry_of
from lossbench.reports.listing import findings_text
from lossbench.reports.reproducers import LINES, expression_script
from lossbench.reports.reproducing import differs
from lossbench.reports.scripts import Script
from lossbench.reports.write import write_reports

#: The cases that issue and README name, and no more: whole libraries take minutes.
GLOBS = (
    "scipy:special.log_expit:*", "scipy:special.softplus:*", "native:softmax_xent:*", "native:sigmoid_bce:*",
    "torch:nn.functional.cross_entropy:eager:*", "torch:nn.functional.binary_cross_entropy_with_logits:eager:*",
    "torch:nn.functional.softplus:eager:*", "torch:distributions.Categorical(logits)*:eager:*",
    "onnxruntime:SoftmaxCrossEntropyLoss:*",
    "optax:softmax_cross_entropy_with_integer_labels:eager:*",
    "tensorflow:nn.sparse_softmax_cross_entropy_with_logits:eager:*", "tensorflow:nn.sparse*:xla:*",
    "tensorflow:compat.v1.nn.sigmoid_cross_entropy_with_logits:eager:*",
    "keras:losses.BinaryFocalCrossentropy*:eager:*",
)  # fmt: skip
NAMED = [
    ("torch", "-1 and +1 into a 0/1 loss"),
    ("tensorflow", "-1 and +1 into a 0/1 loss"),
    ("keras", "-1 and +1 into a 0/1 loss"),
    ("optax", "index -1 is taken"),
    ("onnxruntime", "index -1 is taken"),
    ("tensorflow", "eager and compiled disagree"),
    ("torch", "the mean of nothing"),
    ("onnxruntime", "the mean of nothing"),
    ("scipy", "0 and 1 into a -1/+1 loss"),
    ("scipy", "(N,1) against (N,)"),
    ("torch", "NaN for a value that has a limit"),
]
#: One reproducer of each kind of claim, of libraries that are imported in seconds; `lossbench reproduce` runs all.
SAMPLE = [
    ("torch", "-1 and +1 into a 0/1 loss"),
    ("torch", "the mean of nothing"),
    ("torch", "NaN in a gradient"),
    ("onnxruntime", "index -1 is taken"),
    ("scipy", "(N,1) against (N,)"),
    ("torch", "a law is broken"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    for library in dict.fromkeys(glob.partition(":")[0] for glob in GLOBS):
        if why := adapter_of(library).installed():
            pytest.skip(why)
    job = Job(tmp_path_factory.mktemp("meaning"), globs=GLOBS)
    write(job, job.run())
    return job.folder


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "semantics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def listed(found):
    return {(f.library, f.cause.name): f for f in findings(found)}


@pytest.mark.parametrize(("library", "cause"), NAMED)
def test_what_is_silent_is_found_without_being_told(listed, library, cause):
    assert (library, cause) in listed


def test_native_has_no_finding(listed):
    assert not {name for name in listed if name[0] == "native"}


def test_every_finding_has_a_reproducer_or_a_reason(listed):
    for finding in listed.values():
        assert finding.script.text or len(finding.script.why.split()) > 5
    assert len(dict(unwritten(list(listed.values())))) < len(listed) / 4


@pytest.mark.parametrize(("library", "cause"), SAMPLE)
def test_reproducers_show_what_they_claim(listed, tmp_path, library, cause):
    assert differs(listed[library, cause].script, tmp_path / "reproducer.py") == ""


PRINTS = Script('print("got", [1.0, nan])\nprint("expected", [1.0, 2.0])\n'.replace("nan", "float('nan')"),
                [1.0, float("nan")], [1.0, 2.0])  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"got": [1.0, 0.0]}, "nan and 0 at [1]"),
        ({"got": [1.0 + 2.0**-19, float("nan")]}, "at [0]"),
        ({"got": [1.0 + 2.0**-22, float("nan")]}, ""),
        ({"got": [1.0]}, "shapes [2] and [1]"),
        ({"expected": [1.0, 3.0]}, "prints expected"),
        ({"expected": "an error"}, "prints expected"),
        ({"text": "raise ValueError('no')\n"}, "raises ValueError: no"),
        ({"text": "print('got', 1)\n"}, "prints ['got']"),
        ({"text": "print('got', 1)\nprint('expected', 1)\n", "got": 1, "expected": 1}, "shows nothing"),
        ({"ends": "killed by signal 11"}, "exit status 0"),
        ({"text": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "ends": "killed by signal 11"}, ""),
    ],
    ids=str,
)
def test_a_claim_that_does_not_hold_is_seen(tmp_path, change, why):
    said = differs(replace(PRINTS, **change), tmp_path / "script.py")
    assert said == "" if not why else why in said


def test_the_command_runs_reproducers_and_fails_where_one_differs(folder, tmp_path, capsys):
    assert main(["reproduce", str(folder), "--only", "scipy-n-1*", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reproducers"] == {"scipy-n-1-against-n": ""}
    text = (folder / "semantics.json").read_text(encoding="utf-8")
    changed = json.loads(text)
    for record in changed["conventions"]:
        record["values"] = [0.0]
    (tmp_path / "semantics.json").write_text(json.dumps(changed), encoding="utf-8")
    assert main(["reproduce", str(tmp_path), "--only", "scipy-n-1*"]) == 1
    assert "1 do not" in capsys.readouterr().out
    assert main(["reproduce", str(tmp_path / "none")]) == 2


def test_every_reproducer_is_short_and_has_a_file(folder, found):
    listed = findings(found)
    paths = write_reports(folder)
    assert [path.name for path in paths[-2:]] == ["findings.md", "reproducers"]
    files = {path.stem: path.read_text(encoding="utf-8") for path in paths[-1].glob("*.py")}
    assert files == {f.name: f.script.text for f in listed if f.script.text}
    for text in files.values():
        ast.parse(text)
        assert text.count("\n") <= LINES and 'print("expected"' in text
    assert findings_text(listed, found["platform"]) == paths[-2].read_text(encoding="utf-8")


def test_names_of_findings_are_their_own(found):
    names = [finding.name for finding in findings(found)]
    assert len(names) == len(set(names))
    assert len({cause.name for cause in (*CAUSES, MODES)}) == len(CAUSES) + 1


def test_reports_hold_every_section(folder):
    write_reports(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    for heading in ("Findings on meaning", "Advice", "Label conventions by call", "Special values", "Laws"):
        assert f"## {heading}" in text
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Which call to use" in page and "torch:nn.functional.cross_entropy" in page


def test_sections_of_nothing():
    assert semantics.sections({}, True) == []


def test_advice_names_a_safe_call_and_its_time(found):
    key = ("torch", "nn.functional.cross_entropy", "eager", "softmax_xent")
    row = dict(zip(("library", "call", "mode", "form"), key, strict=True))
    timed = [row | {"metric": "seconds", "work_class": "FB", "dtype": "float32", "value": 1e-3}]
    table = next(block for block in advice.section(found, timed).blocks if not isinstance(block, str))
    lines = {
        (line[0].text, line[1].text, dtype): [cell.text for cell in line[3:]]
        for line in table.rows
        for dtype in line[2].text.split(", ")
    }
    assert {dtype for _, _, dtype in lines} == {"float32", "float64", "bfloat16", "float16"}
    assert lines["class index, logits", "native", "float64"][2] == "nothing"
    assert lines["class index, logits", "torch", "float32"][1] == "nn.functional.cross_entropy:eager"
    assert lines["class index, logits", "torch", "float64"][1] == "-"
    assert "{-1,+1}" in lines["{0,1}, one logit", "torch", "float32"][2]


ENTRIES = [(library, entry) for library in LIBRARIES for entry in documented(library)]


@pytest.mark.parametrize(("library", "entry"), ENTRIES, ids=lambda value: getattr(value, "says", value))
def test_documented_entries_name_calls_and_links(library, entry):
    names = [call.name for call in adapter_of(library).calls]
    texts = [text for texts in EXPRESSIONS.get(library, {}).values() for text in texts]
    record = {"library": library, "form": (entry.forms or ("softmax_xent",))[0]}
    record["dtype"] = (entry.dtypes or ("float32",))[0]
    place = entry.where[0].replace("*", "0").replace("?", "[")
    record |= dict.fromkeys(("point", "column", "law", "question"), place)
    said = "expression" if entry.group == "formulas" else "call"
    assert entry.link.startswith("https://") and len(entry.says.split()) > 3
    assert [n for n in (texts if said == "expression" else names) if entry.covers(entry.group, record | {said: n})]


@pytest.mark.parametrize(("library", "entry"), ENTRIES, ids=lambda value: getattr(value, "says", value))
def test_what_is_called_documented_stands_in_the_docstring(library, entry):
    adapter = adapter_of(library)
    if why := adapter.installed():
        pytest.skip(why)
    adapter.load()
    root, *parts = entry.stated.split(".")
    stated = functools.reduce(getattr, parts, importlib.import_module(root))
    assert " ".join(entry.quote.split()) in " ".join(stated.__doc__.split()).replace("\u2019", "'")


def test_the_threshold_of_a_softplus_is_documented_and_no_finding(found, listed):
    seen = [r for r in found["special"] if r["call"] == "nn.functional.softplus" and r["point"].startswith("x=20.5")]
    differ = [r for r in seen if r["form"] == "softplus" and r["verdict"] == "differs"]
    assert {r["dtype"] for r in differ} == {"float64"}
    assert all(semantics.special_verdict(r) == "documented" for r in differ)
    assert not [r for f in listed.values() for r in f.records if r in differ]


def test_the_clamp_of_torch_is_documented_and_its_neighbours_are_not():
    call = {"library": "torch", "form": "prob_bce", "call": "nn.functional.binary_cross_entropy"}
    record = call | {"point": "x=0, y=1", "dtype": "float32"}
    assert "clamped" in entry_of("special", record).says
    assert entry_of("special", record | {"point": "x=0.5, y=1"}) is None
    assert entry_of("special", record | {"call": "special.xlogy+xlog1py"}) is None


def test_an_expression_over_named_arrays_brings_them():
    text = expression_script(
        "torch", "torch.softmax(z, -1) * w", {"z": np.zeros(1), "w": np.ones(1), "q": np.ones(1)}, "0"
    )
    assert "z = " in text and "w = " in text and "q = " not in text
    assert expression_script("numpy", "np.exp(z)", {"z": np.zeros(1)}, "0") == ""
