"""The reports on meaning: findings, reproducers that show what they claim, advice, documented differences."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import numpy as np
import pytest

from lossbench.harness.adapters import adapter_of
from lossbench.harness.adapters.adapter import Call
from lossbench.harness.semantics import laws
from lossbench.harness.semantics.job import Job
from lossbench.harness.semantics.judging import write
from lossbench.reports import advice, semantics
from lossbench.reports.defects import CAUSES, MODES, findings
from lossbench.reports.documented import documented, entry_of
from lossbench.reports.expressions import EXPRESSIONS, SETUP, expression
from lossbench.reports.listing import findings_text
from lossbench.reports.reproducers import LINES, expression_script, literal
from lossbench.reports.write import write_reports

GLOBS = ("scipy:special.log_expit:*", "scipy:special.softplus:*", "torch:nn.functional.*cross_entropy*:eager:*",
         "torch:distributions.Categorical*:eager:*", "native:softmax_xent:*", "native:sigmoid_bce:*")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    for library in ("scipy", "torch"):
        if why := adapter_of(library).installed():
            pytest.skip(why)
    job = Job(tmp_path_factory.mktemp("meaning"), globs=GLOBS)
    write(job, job.run())
    return job.folder


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "semantics.json").read_text(encoding="utf-8"))


def test_what_is_silent_is_found_without_being_told(found):
    names = {(f.library, f.cause.name) for f in findings(found)}
    assert {("torch", "-1 and +1 into a 0/1 loss"), ("scipy", "0 and 1 into a -1/+1 loss")} <= names
    assert ("scipy", "(N,1) against (N,)") in names and ("torch", "NaN at an infinite input") in names
    assert not {name for name in names if name[0] == "native"}


@pytest.mark.parametrize(
    ("library", "cause"),
    [("torch", "-1 and +1 into a 0/1 loss"), ("torch", "NaN at an infinite input"), ("scipy", "(N,1) against (N,)")],
)
def test_reproducers_show_what_they_claim(found, tmp_path, library, cause):
    finding = next(f for f in findings(found) if (f.library, f.cause.name) == (library, cause))
    path = tmp_path / "reproducer.py"
    path.write_text(finding.script, encoding="utf-8")
    done = subprocess.run([sys.executable, "-P", str(path)], capture_output=True, text=True, check=True, timeout=300)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    got, expected = (np.array(eval(said[name], {"nan": np.nan, "inf": np.inf}), float) for name in ("got", "expected"))
    if got.shape == expected.shape:
        assert not np.allclose(got, expected, rtol=2.0**-12)
    worst = finding.worst["got"]
    mean = got.mean() if "mean" in finding.worst.get("text", "") else got
    assert np.any(np.isclose(mean, worst, rtol=2.0**-20, equal_nan=True))


def test_every_reproducer_is_short_and_has_a_file(folder, found):
    listed = findings(found)
    paths = write_reports(folder)
    assert [path.name for path in paths[-2:]] == ["findings.md", "reproducers"]
    files = {path.stem: path.read_text(encoding="utf-8") for path in paths[-1].glob("*.py")}
    assert files == {f.name: f.script for f in listed if f.script}
    for text in files.values():
        ast.parse(text)
        assert text.count("\n") <= LINES and 'print("expected"' in text
    assert findings_text(listed) == paths[-2].read_text(encoding="utf-8")


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
    lines = {(line[0].text, line[1].text): [cell.text for cell in line[2:]] for line in table.rows}
    assert lines["class index, logits", "native"][2] == "nothing"
    assert lines["class index, logits", "torch"][1] == "nn.functional.cross_entropy:eager"
    assert "{-1,+1}" in lines["{0,1}, one logit", "torch"][2]


@pytest.mark.parametrize("library", sorted(SETUP))
def test_documented_entries_name_calls_and_links(library):
    names = [call.name for call in adapter_of(library).calls]
    for entry in documented(library):
        record = {"library": library, "form": (entry.forms or ("softmax_xent",))[0]}
        assert entry.link.startswith("https://") and len(entry.says.split()) > 3
        covered = [n for n in names if entry.covers(entry.group, record | _place(entry) | {"call": n})]
        assert covered, entry


def _place(entry):
    where = entry.where[0].replace("*", "0").replace("?", "[")
    return {"point": where, "column": where}


def test_the_clamp_of_torch_is_documented_and_its_neighbours_are_not():
    record = {"library": "torch", "form": "prob_bce", "call": "nn.functional.binary_cross_entropy", "point": "x=0, y=1"}
    assert "clamped" in entry_of("special", record).says
    assert entry_of("special", record | {"point": "x=0.5, y=1"}) is None
    assert entry_of("special", record | {"call": "special.xlogy+xlog1py"}) is None


# -- expressions

WRITTEN = [
    (library, call)
    for library in ("torch", "scipy", "sklearn", "jax", "optax", "native")
    for call in adapter_of(library).calls
    if expression(library, call.form, call.name) and not call.rowwise
]


@pytest.mark.parametrize(("library", "call"), WRITTEN, ids=lambda value: getattr(value, "name", value))
def test_expressions_are_the_calls_of_the_table(library, call: Call):
    adapter = adapter_of(library)
    if why := adapter.installed():
        pytest.skip(why)
    lib = adapter.load()
    case = next(laws.cases(call.form, call.options, call.encodings))
    arrays = [a for a in (case.x, case.y) if a is not None]
    want = adapter.get(
        lib, adapter.build(lib, call, adapter.modes[0], "F", False)(*(_put(adapter, lib, a) for a in arrays))
    )
    imports, wrap = SETUP[library]
    names = {"array": np.array, "inf": np.inf, "nan": np.nan, "asarray": np.asarray}
    exec("\n".join([imports, *(f"{n} = {wrap.format(literal(a))}" for n, a in zip("xy", arrays, strict=False))]), names)
    got = eval(expression(library, call.form, call.name), names)
    np.testing.assert_array_max_ulp(np.asarray(adapter.get(lib, got)[0], float), np.asarray(want[0], float), 4)


def _put(adapter, lib, array):
    return adapter.put(lib, array, array.dtype.name, "cpu")


def test_expressions_are_of_known_calls():
    for library, texts in EXPRESSIONS.items():
        names = {call.name for call in adapter_of(library).calls}
        known = {key.partition("|")[2] or key for key in texts}
        assert known <= names, (library, known - names)


def test_an_expression_over_named_arrays_brings_them():
    text = expression_script(
        "torch", "torch.softmax(z, -1) * w", {"z": np.zeros(1), "w": np.ones(1), "q": np.ones(1)}, "0"
    )
    assert "z = " in text and "w = " in text and "q = " not in text
    assert expression_script("onnxruntime", "run(onnxruntime, (), z)", {}, "0") == ""
