"""`lossbench explain`: what it parses, what it refuses, what it answers, and how that is laid out."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lossbench.cli import attached, main
from lossbench.harness.plan import COMPILED
from lossbench.harness.rows import CATEGORIES
from lossbench.point import nearest, number, numbers, point
from lossbench.reference.formats import FORMATS, MEASURED, to_nearest
from lossbench.sheet import shortest
from tests.harness import fakes, oddities


@pytest.fixture(scope="module", autouse=True)
def offered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    with (
        pytest.MonkeyPatch.context() as patch,
        oddities.offer(folder / "odd", patch),
        fakes.offer(folder / "fakes", patch),
    ):
        yield folder / "fakes"


def asked(form="sigmoid", dtype="float64", options="", **flags):
    return point(form, {**dict.fromkeys("zpqy"), **flags}, dtype, options)


def answer(capsys, *arguments):
    assert main(["explain", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


# -- numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-1e8", -1e8), ("5", 5), ("+.5", 0.5), ("5.", 5), ("1E-3", Fraction(1, 1000)), ("-0x1.8p3", -12),
        ("0XAp-1", 5), ("0x.8", 0.5), ("-0x1p-1074", -Fraction(1, 2**1074)), (" 7 ", 7),
    ],
    ids=repr,
)  # fmt: skip
def test_a_number_is_read_exactly(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("-inf", -math.inf), ("Infinity", math.inf), ("-0", -0.0), ("-0x0p0", -0.0)]
)
def test_infinities_and_negative_zero(text, value):
    assert repr(number(text)) == repr(value)


@pytest.mark.parametrize("text", ["nan", "-nan", "NaN"])
def test_nan(text):
    assert math.isnan(number(text))


@pytest.mark.parametrize("text", ["", "-", "1e", "0x", "0xp3", "1_000", "1 2", "one", "0x1.8p", "--5", "１"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="wants a number such as"):
        number(text)


@pytest.mark.parametrize(
    ("text", "values"), [("-5,3", [-5, 3]), ("[1,2]", [1, 2]), ("[ -1e8, inf ]", [-1e8, math.inf]), ("[4]", [4])]
)
def test_lists(text, values):
    assert numbers(text) == values


@pytest.mark.parametrize("text", ["[1,2", "1,2]", "1,,2", "[]", ",", "[1,[2]]"])
def test_what_is_no_list(text):
    with pytest.raises(ValueError, match="got"):
        numbers(text)


@pytest.mark.parametrize("dtype", MEASURED)
def test_a_number_is_rounded_once(dtype):
    fmt = FORMATS[dtype]
    for value in (0.1, -1 / 3, 65519.99, fmt.maxfinite, fmt.tiny / 3, fmt.subnormal * 0.75, -fmt.subnormal):
        rounded = nearest(Fraction(value), fmt)
        assert repr(rounded) == repr(float(to_nearest(value, dtype)))
    middle = Fraction(1) + Fraction(1, 2**fmt.precision)  # between 1 and its neighbour
    assert nearest(middle, fmt) == 1
    assert nearest(middle + Fraction(1, 2**200), fmt) == 1 + 2.0 ** (1 - fmt.precision)  # not through float64
    assert nearest(number("1e99999999999"), fmt) == math.inf
    assert repr(nearest(number("-1e-99999999999"), fmt)) == "-0.0"


@pytest.mark.parametrize("dtype", MEASURED)
def test_the_shortest_text_is_read_back(dtype):
    values = to_nearest([0.1, -3.3333333, 1e-5, 12345.678, 6e-8], dtype).tolist()
    for value in values:
        text = shortest(value, dtype)
        assert nearest(number(text), FORMATS[dtype]) == value
        assert len(text) <= len(repr(value))
    assert shortest(values[0], dtype) == "0.1" and shortest(math.inf, dtype) == "inf" and shortest(-0.0, dtype) == "-0"


@pytest.mark.parametrize("value", ["-1e8", "-inf", "-0x1.8p3", "-5,3", "[1,2]", "nan", "-nan", "-.5", "-5"])
@pytest.mark.parametrize("joint", [" ", "="], ids=["apart", "attached"])
def test_the_command_line_takes_numbers_that_look_like_flags(value, joint, capsys):
    form = "logsumexp" if "," in value else "softplus"
    words = ["explain", form, *f"--z{joint}{value}".split(" "), "--impl", "none", "--dtype", "float64"]
    assert main([*words, "--json"]) == 0
    got = json.loads(capsys.readouterr().out)["inputs"]["z"]
    parsed = numbers(value)
    many = parsed if isinstance(parsed, list) else [parsed]
    for one, wanted in zip(got if isinstance(got, list) else [got], many, strict=True):
        assert float(one["repr"]) == wanted or (one["repr"] == "nan" and math.isnan(wanted))
        assert float.fromhex(one["hex"]) == wanted or one["hex"] == "nan"


def test_a_flag_is_never_taken_for_a_value(capsys):
    assert attached(["--z", "--y", "-1", "--json"]) == ["--z", "--y=-1", "--json"]
    with pytest.raises(SystemExit) as end:
        main(["explain", "sigmoid", "--z", "--json"])
    assert end.value.code == 2 and "--z: expected one argument" in capsys.readouterr().err


# -- points


def test_a_scalar_label_is_an_index_and_a_list_a_distribution():
    index = asked("softmax_xent", z="-5,3", y="1").question
    assert (index.encoding, index.y.dtype, int(index.y)) == ("index", np.int64, 1)
    assert asked("softmax_xent", z="-5,3", y="0,1").question.encoding == "onehot"
    assert asked("prob_xent", q=".5,.5", y=".25,.75").question.encoding == "soft"
    assert asked("softmax_xent", z="5", y="[1]").question.encoding == "onehot"
    assert asked("softmax_xent", z="5", y="0").question.encoding == "index"
    assert asked("multilabel_bce", z="5,-1", y="1,1").question.encoding == "binary"


def test_what_rounding_changed_is_said_and_what_it_did_not_is_not():
    changes = asked("softmax_xent", "float32", z="0.1,2", y="[.25,1e-50]").changes
    assert changes == ("z[0]: 0.1 -> 0.10000000149011612 = 0x1.99999ap-4", "y[1]: 1e-50 -> 0.0 = 0x0p+0")
    assert asked(z="0.1").changes == () == asked(z="0x1.999999999999ap-4").changes == asked(z="-inf").changes
    assert asked(z="0.1000000000000000055").changes == ("z: 0.1000000000000000055 -> 0.1 = 0x1.999999999999ap-4",)
    assert asked(z="1e400").changes == ("z: 1e400 -> inf = inf",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sigmoid_bec", "--z", "1"], ["form: got 'sigmoid_bec'", "sigmoid_bce"]),
        (["sigmoid", "--z", "1", "--dtype", "float23"], ["dtype: got 'float23'", "float32"]),
        (["prob_bce", "--z", "1", "--y", "1"], ["--z", "prob_bce", "give --p"]),
        (["prob_xent", "--p", "1", "--y", "0"], ["--p", "prob_xent", "give --q"]),
        (["softmax_xent", "--q", ".5,.5", "--y", "0"], ["--q", "give --z"]),
        (["sigmoid_bce", "--y", "1"], ["--z is missing", "one number, a logit"]),
        (["sigmoid_bce", "--z", "1"], ["--y is missing", "one label"]),
        (["sigmoid", "--z", "1", "--y", "1"], ["--y: got 1", "sigmoid has no labels"]),
        (["sigmoid_bce", "--z", "-5,3", "--y", "1"], ["--z: got 2 numbers", "one number"]),
        (["sigmoid_bce", "--z", "five", "--y", "1"], ["--z: got 'five'", "wants a number"]),
        (["sigmoid_bce", "--z", "5", "--y", "x"], ["--y: got 'x'", "wants a number"]),
        (["prob_bce", "--p", "1.5", "--y", "1"], ["--p: got 1.5", "probability in [0, 1]"]),
        (["prob_xent", "--q", "-.5,1", "--y", "0"], ["--q: got -.5,1", "[0, 1]"]),
        (["sigmoid_bce", "--z", "1", "--y", "-1"], ["--y: got -1.0", "0 or 1", "margin_logistic takes signed"]),
        (["margin_logistic", "--z", "1", "--y", "0"], ["--y: got 0.0", "-1 or +1", "sigmoid_bce takes binary"]),
        (["softmax_xent", "--z", "-5,3", "--y", "2"], ["--y: got 2", "class index in 0..1"]),
        (["softmax_xent", "--z", "-5,3", "--y", "-1"], ["--y: got -1", "class index in 0..1"]),
        (["softmax_xent", "--z", "-5,3", "--y", ".5"], ["--y: got .5", "class index in 0..1"]),
        (["softmax_xent", "--z", "-5,3", "--y", "nan"], ["--y: got nan", "class index in 0..1"]),
        (["softmax_xent", "--z", "-5,3", "--y", "1,0,0"], ["--y: got 3 numbers", "a list of 2"]),
        (["softmax_xent", "--z", "-5,3", "--y", "2,0"], ["--y: got [2.0, 0.0]", "distribution"]),
        (["multilabel_bce", "--z", "-5,3", "--y", "1"], ["--y: got 1 numbers", "a list of 2"]),
        (["prob_xent", "--q", ".5,.5", "--y", "0", "--options", "norm"], ["options: got 'norm'", "normalized"]),
        (["sigmoid", "--z", "1", "--impl", "torhc:sigmoid*"], ["impl: 'torhc:sigmoid*'", "torch:sigmoid:eager:cpu"]),
        (["sigmoid", "--z", "1", "--impl", "none,torch:*"], ["impl: none", "torch:*"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0][0] != "-" else "",
)
def test_bad_input_is_one_sentence_that_says_what_is_wanted_and_exit_2(arguments, words, capsys):
    assert main(["explain", *arguments]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1 and error.startswith("lossbench explain: ")
    for word in words:
        assert word in error


# -- the exact value alone

NONE = """
from lossbench.cli import main
assert main("explain softmax_xent --z -5,3 --y 0 --impl none".split()) == 0
"""
FRAMEWORKS = {"torch", "jax", "optax", "tensorflow", "keras", "sklearn", "scipy", "numba", "pandas", "pyarrow"}


def test_impl_none_imports_no_framework_and_starts_no_process():
    program = f"import sys, subprocess\nsubprocess.Popen = None\n{NONE}\nprint('LOADED', *sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    text, _, loaded = run.stdout.partition("LOADED")
    assert "8.00033540637289" in text
    assert not {name.partition(".")[0] for name in loaded.split()} & FRAMEWORKS


def test_impl_none_answers_with_the_exact_value_only(capsys):
    got = answer(capsys, "sigmoid_bce", "--z", "-40", "--y", "0", "--dtype", "float64", "--impl", "none")
    assert got["exact"] == {"value": "4.24835425529158898630497784363e-18", "grad": got["exact"]["grad"]}
    assert got["rounded"]["value"] == {"repr": "4.248354255291589e-18", "hex": "0x1.39792499b1a24p-58"}
    assert got["certificates"]["value"] == "ball, 256 bits, O1+O2"
    assert got["implementations"] == got["absent"] == []


@pytest.mark.parametrize("z", ["-1e30", "inf", "nan"])
def test_special_results(z, capsys):
    got = answer(capsys, "softplus", "--z", z, "--impl", "none")
    wanted = {"-1e30": "e-4342944", "inf": "inf", "nan": "nan"}[z]
    assert wanted in got["exact"]["value"]
    assert got["rounded"]["value"]["repr"] == {"-1e30": "0.0"}.get(z, z)


# -- the libraries


def test_json_is_what_the_design_says(capsys):
    got = answer(capsys, "softmax_xent", "--z", "-5,0.1", "--y", "0", "--impl", "fakeodd:*,native:*")
    assert list(got)[:3] == ["form", "inputs", "dtype"] and {"exact", "implementations"} < set(got)
    assert got["form"] == "softmax_xent" and got["dtype"] == "float32" and got["options"] == ""
    assert got["inputs"]["y"] == 0
    assert got["inputs"]["z"][1] == {"repr": "0.10000000149011612", "hex": "0x1.99999ap-4"}
    assert got["changed"] == ["z[1]: 0.1 -> 0.10000000149011612 = 0x1.99999ap-4"]
    assert got["exact"]["value"].startswith("5.1060782") and len(got["exact"]["grad"]) == 2
    ids = [row["id"] for row in got["implementations"]]
    assert "fakeodd:by_index:eager:cpu" in ids and any(name.startswith("native:softmax_xent:") for name in ids)
    row = next(row for row in got["implementations"] if row["id"].startswith("native"))
    assert set(row) >= {"id", "value", "grad", "ulp", "category"}
    assert float(row["value"]["repr"]) == float.fromhex(row["value"]["hex"])
    # the error in ulps, counted anew from the digits
    exact, unit = Decimal(got["exact"]["value"]), Decimal(2) ** -21
    assert math.isclose(row["ulp"]["value"], abs(Decimal(row["value"]["repr"]) - exact) / unit, rel_tol=2.0**-20)
    assert len(row["ulp"]["grad"]) == len(row["category"]["grad"]) == len(row["grad"]) == 2
    assert {row["category"]["value"], *row["category"]["grad"]} <= set(CATEGORIES)


def test_json_of_failures_has_reasons_and_no_numbers(capsys):
    got = answer(capsys, "sigmoid_bce", "--z", "2", "--y", "1", "--impl", "fakelib:refuses:*,fakelib:kills:*")
    refused, killed = got["implementations"]
    assert refused["value"] is None and refused["category"] == {"value": "RAISED", "grad": "RAISED"}
    assert refused["ulp"] == {"value": None, "grad": None} and "no kernel" in refused["reason"]["value"]
    assert killed["status"]["value"] == "died" and killed["category"]["value"] is None


def test_json_has_no_infinity_where_the_error_is_beyond_float64(capsys):
    got = answer(capsys, "sigmoid_bce", "--z", "-745", "--y", "0", "--dtype", "float64", "--impl", "fakesteady:c:*")
    assert got["implementations"][0]["ulp"]["value"] == sys.float_info.max


def test_what_is_absent_gives_its_reason(capsys):
    globs = "fakeabsent:*,fakebroken:*,fakesteady:a:*"
    got = answer(capsys, "sigmoid_bce", "--z", "2", "--y", "1", "--impl", globs)
    assert [row["id"] for row in got["implementations"]] == ["fakesteady:a:eager:cpu"]
    reasons = {row["id"].split(":")[0]: row["reason"] for row in got["absent"]}
    assert "a_module_that_nobody_ships is not installed" in reasons["fakeabsent"]
    assert "libfake.so.1" in reasons["fakebroken"]


def test_by_default_it_asks_everything_that_compiles_nothing(monkeypatch, capsys):
    def ask(question, found, rounded, listening):
        assert not {claim.mode for claim in found} & set(COMPILED)
        assert {"torch", "numpy", "native", "fakeodd"} <= {claim.library for claim in found}
        return []

    monkeypatch.setattr("lossbench.explaining.ask", ask)
    assert answer(capsys, "sigmoid", "--z", "1")["implementations"] == []


# -- tables

ODD = ["sigmoid_bce", "--z", "2", "--y", "1", "--impl", "fakeodd:*,fakesteady:*,fakelib:refuses:*,fakebroken:*"]


@pytest.fixture(scope="module")
def tables(offered):
    def at(width, *arguments):
        environment = {**os.environ, "COLUMNS": str(width)}
        command = [sys.executable, "-P", "-m", "lossbench", "explain", *arguments]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert (run.returncode, run.stderr) == (0, "")
        return run.stdout

    return {width: at(width, *ODD) for width in (80, 120)}


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_their_width(tables, width):
    assert max(map(len, tables[width].splitlines())) <= width
    assert "…" not in tables[width]


@pytest.mark.parametrize("width", [80, 120])
def test_the_worst_comes_first_and_failures_before_it(tables, width):
    text = tables[width]
    order = ["fakelib:refuses", "fakesteady:c", "fakeodd:vector_code", "fakeodd:steady"]
    places = [text.index(name) for name in order]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [80, 120])
def test_tables_show_categories_reasons_and_what_differs_tiled(tables, width):
    text = tables[width]
    assert "0.126928011042972" in text  # the exact value
    assert "tiled to 64: 61 differ" in text
    for word in (
        "RAISED",
        "RuntimeError: no kernel for",
        "LOST",
        "unsupported",
        "the fake has no autodiff",
        "(float64)",
    ):
        assert word in text, word
    assert "not asked: fakebroken works: fakebroken cannot be imported" in " ".join(text.split())


def test_value_and_gradient_share_a_table_where_there_is_room(tables):
    assert tables[80].count("fakeodd:steady") == 2 and tables[120].count("fakeodd:steady") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["logsumexp", "--z", ",".join(["1"] * 20), "--impl", "none"], ["4 more", "grad:z[15]"]),
        (["sigmoid_bce", "--z", "-90", "--y", "0", "--impl", "fakeflushing:*"], ["LOST*", "* the library flushes"]),
        (["sigmoid", "--z", "0.1", "--impl", "none"], ["rounded to float32: z: 0.1 -> 0.10000000149011612"]),
        (["sigmoid", "--z", "-3e38", "--impl", "none"], ["e-13028834"]),
        (["multilabel_bce", "--z", "1,2", "--y", "1,0", "--options", "over=mean", "--impl", "none"], ["over=mean"]),
    ],
    ids=["long", "flushing", "rounded", "tiny", "options"],
)
def test_what_a_table_says(arguments, words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", *arguments]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for word in words:
        assert word in out


# -- processes


def test_an_interrupt_ends_the_libraries(offered):
    command = [sys.executable, "-P", "-m", "lossbench", "explain", "sigmoid_bce", "--z", "1", "--y", "1"]
    process = subprocess.Popen([*command, "--impl", "fakeslow:*"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (marks := list(Path(offered).glob("*.hangs"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marks
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(marks[0].stem), 0)
