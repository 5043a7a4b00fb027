"""The exact values that rows print agree with direct evaluation at 2000 bits, at the inputs that rows print."""

from __future__ import annotations

import pytest

from lossbench.harness.controller import new_run
from lossbench.harness.plan import Filters
from lossbench.harness.rows import RowFile
from lossbench.reference import FORMS, form_of
from lossbench.reference.formats import FORMATS
from tests.reference import direct


class Silent:
    def stage(self, name, total):
        pass

    def advance(self, steps=1):
        pass

    def say(self, sentence):
        pass


@pytest.fixture(scope="module")
def numpy_rows(tmp_path_factory):
    """Accuracy rows of NumPy's formulas, whose worst cases are spread over all inputs."""
    folder = tmp_path_factory.mktemp("numpy") / "run"
    run = new_run(folder, "quick", 0, Filters(impl=("numpy:*",)), Silent())
    run.cells.clear()  # timing is not needed here
    run.measure()
    return [row for _, rows in RowFile(folder / "rows.jsonl").units() for row in rows if row["metric"] == "ulp"]


def _numbers(text):
    return [float(part) if part.isdigit() else float.fromhex(part) for part in text.strip("[]").split(",")]


@pytest.mark.parametrize("name", [form.name for form in FORMS])
def test_printed_exact_values_agree_with_2000_bits(numpy_rows, name):
    form, checked = form_of(name), 0
    mp = direct.context()
    for row in numpy_rows:
        inputs = dict(part.split("=") for part in row["worst_input"].split() if "=" in part)
        if row["form"] != name or row["quantity"] != "value" or not inputs or form.vector_value:
            continue
        x = _numbers(inputs[form.wrt])
        y = _numbers(inputs["y"]) if "y" in inputs else None
        if not all(abs(v) < 300 for v in x) or row["want"] in ("inf", "nan", "-inf"):
            continue  # the naive formula at 2000 bits holds for moderate inputs only
        if row["encoding"] == "index":
            y = [float(k == y[0]) for k in range(len(x))]
        numbers = [[mp.mpf(v) for v in values] for values in (x, y) if values is not None]
        if not form.class_axis:
            numbers = [values[0] for values in numbers]
        fmt = FORMATS[row["dtype"]]
        want = direct.VALUES[name, row["options"]](mp, *numbers)
        assert float(row["want"]) == direct.round_fraction(want, fmt), row["worst_input"]
        checked += 1
    assert checked >= 10 or form.vector_value
