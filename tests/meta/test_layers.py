"""Who may import whom: reference < suites < harness < reports < api, native apart, and every library in its place."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lossbench.harness.adapters import LIBRARIES

ROOT = Path(__file__).parents[2]
#: From the lowest up. A layer imports itself and what is below it.
ORDER = ("reference", "suites", "harness", "reports", "api")
FOLDERS = (*ORDER, "native")

#: Library -> the only files that may import it, by their path without suffix, or a folder.
PLACES = {
    "torch": ("harness/adapters/torch",),
    "jax": ("harness/adapters/jax", "harness/adapters/optax"),
    "optax": ("harness/adapters/optax",),
    "tensorflow": ("harness/adapters/tensorflow", "harness/adapters/keras"),
    "keras": ("harness/adapters/keras",),
    "sklearn": ("harness/adapters/sklearn",),
    "statsmodels": ("harness/adapters/statsmodels",),
    "onnx": ("harness/adapters/onnxruntime",),
    "onnxruntime": ("harness/adapters/onnxruntime",),
    "scipy": ("harness/adapters/scipy",),
    "mpmath": ("reference/",),
    "gmpy2": ("reference/",),
    "flint": ("reference/",),
    "numba": ("native/", "reference/doubleword"),
    "llvmlite": ("native/", "reference/doubleword"),
    "pandas": ("reports/",),
    "pyarrow": ("reports/",),
    "altair": ("reports/",),
    "vl_convert": ("reports/",),
    "jinja2": ("reports/",),
    "rich": ("api/",),
    "argparse": ("api/",),
    "pytest": ("harness/benchmark", "harness/timing"),
    "threadpoolctl": ("harness/worker",),
}
#: Anywhere.
FREE = {"numpy", "ml_dtypes", "markupsafe", "lossbench"}

#: What the first second of a user's acquaintance must not pay for.
HEAVY = (
    *("torch", "jax", "optax", "tensorflow", "keras", "sklearn", "statsmodels", "onnxruntime", "scipy", "numba"),
    *("pandas", "pyarrow", "altair", "vl_convert", "jinja2"),
)

MODULES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path, source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a module imports, in functions and by importlib as well."""
    package = ["lossbench", *path.parts[:-1]]
    if package[1] == "api":
        del package[1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)


def layer_of(name: str) -> str | None:
    """Folder that a dotted name belongs to; None when it is not ours."""
    top, _, rest = name.partition(".")
    if top != "lossbench":
        return None
    below = rest.partition(".")[0]
    return below if below in FOLDERS else "api"


def allowed(folder: str, target: str) -> bool:
    """Whether a module of a folder may import one of another."""
    if folder == target:
        return True
    if "native" in (folder, target):
        return folder in ("harness", "api")  # the adapter measures it, the public names offer it
    return ORDER.index(target) < ORDER.index(folder)


def faults(path: Path, source: str) -> list[str]:
    """What a module imports that it may not, as sentences."""
    folder, name = path.parts[0], path.with_suffix("").as_posix()
    found = []
    for line, target in imported(path, source):
        top, layer = target.partition(".")[0], layer_of(target)
        places = PLACES.get(top)
        if layer and not allowed(folder, layer):
            found.append(f"{path}:{line} is in {folder} and imports {target!r} of {layer}")
        elif layer == "native" and folder == "harness" and name != "harness/adapters/native":
            found.append(f"{path}:{line} imports {target!r}, which only its adapter may")
        elif top in FOLDERS:
            found.append(f"{path}:{line} imports {target!r} by its folder, a second copy of the module")
        elif places and not any(name == place or (place.endswith("/") and name.startswith(place)) for place in places):
            found.append(f"{path}:{line} imports {target!r}, which belongs to {', '.join(places)}")
        elif not (places or layer or top in FREE or top in sys.stdlib_module_names):
            found.append(f"{path}:{line} imports {target!r}, which has no place yet")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.as_posix())
def test_imports(path):
    assert faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_every_framework_has_a_place():
    assert set(LIBRARIES) - {"numpy", "native"} <= set(PLACES)
    for library in set(LIBRARIES) - {"numpy", "native"}:
        assert f"harness/adapters/{library}" in PLACES[library]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("reference/a.py", "from lossbench.suites import SUITES"),
        ("suites/a.py", "import lossbench.harness.plan"),
        ("harness/a.py", "def f():\n    from lossbench.reports import gate"),
        ("harness/a.py", "import importlib\nimportlib.import_module('lossbench.reports')"),
        ("reports/a.py", "from lossbench import cli"),
        ("reports/a.py", "from lossbench import __version__"),
        ("native/a.py", "from lossbench.reference.formats import FORMATS"),
        ("native/a.py", "import lossbench"),
        ("reference/a.py", "from lossbench import native"),
        ("suites/a.py", "import lossbench.native as ours"),
        ("reports/a.py", "import lossbench.native"),
        ("harness/plan.py", "import lossbench.native"),
        ("harness/plan.py", "import harness.rows"),
        ("reference/a.py", "from ..suites import SUITES"),
        ("harness/adapters/torch.py", "from ...reports import gate"),
        ("harness/plan.py", "from .. import listing"),
        ("reports/a.py", "from ..cli import main"),
        ("harness/adapters/keras.py", "import jax.numpy as jnp"),
        ("harness/adapters/jax.py", "def f():\n    import optax"),
        ("harness/adapters/torch.py", "class A:\n    def f(self):\n        __import__('scipy')"),
        ("harness/plan.py", "import pandas"),
        ("api/cli.py", "import pandas as pd"),
        ("harness/scoring.py", "import mpmath"),
        ("reference/oracle.py", "from numba import njit"),
        ("reference/filter.py", "import numba"),
        ("harness/rows.py", "import attrs"),
    ],
)
def test_faults_are_seen(path, source):
    assert len(faults(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("suites/a.py", "from lossbench.reference import FORMS"),
        ("api/cli.py", "import lossbench.reports.gate, lossbench.native, lossbench.listing"),
        ("harness/adapters/native.py", "import importlib\nimportlib.import_module('lossbench.native')"),
        ("harness/adapters/optax.py", "def f():\n    import jax, optax"),
        ("harness/adapters/keras.py", "import tensorflow"),
        ("reference/a.py", "import mpmath, numpy, ml_dtypes, math\nfrom __future__ import annotations"),
        ("native/a.py", "from lossbench.native.call import f\nimport numba"),
        ("reference/doubleword.py", "from llvmlite import ir\nfrom numba import njit"),
        ("harness/a.py", "import_module(name)"),
        ("native/a.py", "from . import rounding\nfrom .call import f"),
        ("harness/adapters/torch.py", "from .adapter import Call\nfrom ..rows import Row"),
        ("api/cli.py", "from .reports import gate"),
    ],
)
def test_what_is_allowed_is_no_fault(path, source):
    assert faults(Path(path), source) == []


# -- what is imported when


def loaded(code: str) -> set[str]:
    """Top-level modules that are loaded after a program in a process of its own; its output is dropped."""
    program = f"import io, sys\nsys.stdout = io.StringIO()\n{code}\nsys.__stdout__.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.split()}


HELP = """
import runpy
sys.argv = ["lossbench", "--help"]
try:
    runpy.run_module("lossbench", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""
#: program -> what it must not load
LAZY = {
    "import lossbench": (*HEAVY, "numpy", "mpmath", "rich"),
    HELP: HEAVY,
    "from lossbench.harness.plan import Filters, make_plan; make_plan('quick', 0, Filters())": HEAVY,
    "import lossbench.harness.worker": HEAVY,
    "import lossbench.native": tuple(name for name in HEAVY if name != "numba"),
    "from lossbench import exact; exact('sigmoid', 1.0, dtype='float32')": HEAVY,
}
LAZY_IDS = ("import", "help", "plan", "worker", "native", "exact")


@pytest.mark.parametrize(("program", "heavy"), LAZY.items(), ids=LAZY_IDS)
def test_nothing_heavy_is_loaded_unasked(program, heavy):
    found = loaded(program)
    assert "lossbench" in found
    assert not found & set(heavy)


def test_what_is_loaded_is_seen():
    assert "json" in loaded("import json") and "decimal" not in loaded("pass")


def test_help_is_printed():
    run = subprocess.run(
        [sys.executable, "-P", "-m", "lossbench", "--help"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0 and run.stdout.startswith("usage: lossbench") and run.stderr == ""
