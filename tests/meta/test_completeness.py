"""What is defined is listed, what is listed is whole, and no file of the tree tells where it was written."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from lossbench import reference, suites
from lossbench.harness import adapters, equivalence
from lossbench.harness.adapters import LIBRARIES, adapter_of
from lossbench.harness.equivalence import EQUIVALENCES, Equivalence
from lossbench.harness.plan import missing_reason
from lossbench.reference import FORMS, Form
from lossbench.reference.form import ENCODINGS
from lossbench.suites import SUITES, TIERS, Suite

ROOT = Path(__file__).parents[2]
FOLDERS = ("reference", "suites", "harness", "native", "reports", "api")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LONGEST = 300

#: What a form's documentation holds besides its formula.
HEADINGS = ("Domain:", "Limits:", "Condition:", "Gradient:", "Drops:", "See:", ">>> ")


def modules(package: ModuleType) -> list[ModuleType]:
    """The modules of a package, imported."""
    return [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]


def defined(package: ModuleType, kind: type) -> set[int]:
    """Identities of the objects of a kind that modules of a package hold."""
    return {id(value) for module in modules(package) for value in vars(module).values() if isinstance(value, kind)}


# -- what is defined is listed


@pytest.mark.parametrize(
    ("package", "kind", "listed"),
    [(reference, Form, FORMS), (suites, Suite, SUITES)],
    ids=["forms", "suites"],
)
def test_what_is_defined_is_listed(package, kind, listed):
    assert defined(package, kind) == {id(value) for value in listed}
    assert len(listed) == len({value.name for value in listed})


def test_a_form_that_is_not_listed_is_seen(monkeypatch):
    stray = Form(**{**vars(FORMS[0]), "name": "stray"})
    monkeypatch.setattr(importlib.import_module("lossbench.reference.logistic"), "STRAY", stray, raising=False)
    assert defined(reference, Form) != {id(form) for form in FORMS}


def test_every_adapter_is_a_library():
    names = {m.name for m in pkgutil.iter_modules(adapters.__path__)} - {"adapter"}
    assert names == set(LIBRARIES)
    for name in LIBRARIES:
        assert adapter_of(name).library == name


def test_equivalences_name_what_there_is():
    sides = {side for pair in EQUIVALENCES for side in (pair.left, pair.right)}
    assert sides <= {(form.name, encoding) for form in FORMS for encoding in form.encodings}
    assert len(set(EQUIVALENCES)) == len(EQUIVALENCES)
    assert all(isinstance(pair, Equivalence) and pair.left != pair.right for pair in equivalence.EQUIVALENCES)


def test_packages_are_those_of_the_tree():
    with open(ROOT / "pyproject.toml", "rb") as file:
        setup = tomllib.load(file)["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in SOURCES if path.name == "__init__.py"}
    places = {name: folder for name, folder in setup["package-dir"].items() if not name.endswith("adapters")}
    assert set(places.values()) == {folder for folder in folders if "/" not in folder} == set(FOLDERS)
    packages = {("lossbench." + folder.replace("/", ".")).replace("lossbench.api", "lossbench") for folder in folders}
    assert set(setup["packages"]) == packages


# -- what is listed is whole


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_absent_pair_has_a_reason(library):
    adapter = adapter_of(library)
    offered = {(call.form, encoding) for call in adapter.calls for encoding in call.encodings}
    for form in FORMS:
        for encoding in form.encodings:
            if (form.name, encoding) not in offered:
                reason = missing_reason(adapter, form.name, encoding)
                assert "gives no reason" not in reason and len(reason.split()) > 2, (form.name, encoding)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_call_is_of_a_form(library):
    known = {form.name: form for form in FORMS}
    for call in adapter_of(library).calls:
        assert set(call.encodings) <= set(known[call.form].encodings)
        known[call.form].said(call.options)
        assert call.tier in TIERS


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_documented(form):
    assert form.summary.endswith(".") and "(" in form.summary  # a formula
    assert [heading for heading in HEADINGS if heading not in form.doc] == []
    assert set(form.encodings) <= set(ENCODINGS)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_every_suite_says_what_it_promises(suite):
    assert "Promises" in suite.doc
    names = [region.name for region in suite.regions]
    assert names and len(names) == len(set(names))
    assert all(len(region.text.split()) > 1 for region in suite.regions)
    assert any(suite.fits(form, encoding) for form in FORMS for encoding in form.encodings)


# -- modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_are_documented_and_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") < LONGEST
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)


# -- where it was written

#: Absolute paths of somebody's machine. A path below one of these names a person or a workplace.
PLACES = re.compile(r"(?<![\w.\])}$-])(?:/(?:root|home|Users|work|mnt|private)/[\w.]|[A-Z]:\\\\?Users\b)")


def hosts() -> set[str]:
    """Names of this machine that are no everyday words."""
    names = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    return {name for name in names if len(name) > 4 and name not in ("localhost", "runner", "debian", "ubuntu")}


def traces(text: str, names: set[str]) -> list[str]:
    """Places and machines that a text names."""
    found = [match.group() for match in PLACES.finditer(text)]
    return found + [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def files() -> list[Path]:
    """Files that are, or are about to be, under version control; all sources where there is none."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        return [*SOURCES, *(ROOT / "tests").rglob("*.py"), ROOT / "pyproject.toml"]
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_the_place_where_it_was_written():
    found = {}
    for path in files():
        data = path.read_bytes()
        if path == Path(__file__) or b"\0" in data[:8000]:  # this file shows what is looked for; no text
            continue
        if named := traces(data.decode(errors="replace"), hosts()):
            found[path.relative_to(ROOT).as_posix()] = named
    assert found == {}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("see /home/someone/project", 1),
        ("'/root/venv'", 1),
        ("open('/work/tree/x')", 1),
        ("C:\\Users\\someone", 1),
        ("on build-host-17, as seen", 1),
        ("build-host-170 and my-build-host-17", 0),
        ("elements/work/second, folder / 'work'", 0),
        ("work/home/root", 0),
        ("https://example.org/home/page", 0),
        ("/dev/fd/3 and /proc/cpuinfo", 0),
    ],
)
def test_traces_are_seen(text, count):
    assert len(traces(text, {"build-host-17"})) == count
