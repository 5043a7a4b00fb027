"""Which implementations claim a point, how its label is written, and the command that asks it again."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from lossbench.cli import _parser, attached
from lossbench.harness.adapters import LIBRARIES
from lossbench.harness.plan import COMPILED
from lossbench.harness.question import Question, claims, encoding_of, hexadecimal, replay
from lossbench.point import point
from lossbench.reference import FORMS, form_of
from tests.harness import oddities


@pytest.fixture(scope="module", autouse=True)
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "site"
    with pytest.MonkeyPatch.context() as patch, oddities.offer(folder, patch) as offered:
        yield offered


def question(form="sigmoid_bce", x=2.0, y=1.0, encoding="binary", dtype="float32", options=""):
    return Question(form, np.asarray(x, np.float64), None if y is None else np.asarray(y), encoding, dtype, options)


def by_call(found):
    return {claim.call: claim for claim in found}


@pytest.mark.parametrize(
    ("form", "label", "encoding"),
    [
        ("softmax_xent", np.int64(1), "index"),
        ("softmax_xent", [0.0, 1.0], "onehot"),
        ("softmax_xent", [0.5, 0.5], "soft"),
        ("softmax_xent", [1.0, 1.0], "soft"),
        ("softmax_xent", [np.nan, 1.0], "soft"),
        ("sigmoid_bce", 1.0, "binary"),
        ("sigmoid_bce", 0.25, "soft"),
        ("sigmoid_bce", np.nan, "soft"),
        ("margin_logistic", -1.0, "signed"),
        ("multilabel_bce", [1.0, 1.0], "binary"),
        ("bernoulli_likelihood", [0.0, 1.0], "binary"),
        ("sigmoid", None, "-"),
    ],
    ids=str,
)
def test_a_label_has_the_narrowest_encoding_that_it_fits(form, label, encoding):
    assert encoding_of(form_of(form), None if label is None else np.asarray(label)) == encoding


@pytest.mark.parametrize(
    ("form", "label"),
    [
        ("sigmoid_bce", -1.0),
        ("margin_logistic", 0.0),
        ("margin_logistic", np.nan),
        ("bernoulli_likelihood", [0.5, 1.0]),
        ("softmax_xent", [2.0, 0.0]),
        ("softmax_xent", 0.5),
    ],
    ids=str,
)
def test_a_label_outside_the_form_is_refused_with_what_it_takes(form, label):
    with pytest.raises(ValueError, match=f"^y: got .*{form} takes "):
        encoding_of(form_of(form), np.asarray(label))


def test_by_default_every_call_that_compiles_nothing_is_asked():
    found = claims(question())
    assert {claim.library for claim in found} == {*LIBRARIES, "fakeodd"}
    assert not {claim.mode for claim in found} & set(COMPILED)
    assert len({claim.id for claim in found}) == len(found)


def test_a_glob_reaches_compiled_modes():
    assert {claim.mode for claim in claims(question(), ["jax:*:jit:*"])} == {"jit"}


def test_a_glob_that_matches_nothing_of_the_form_names_the_nearest():
    with pytest.raises(
        ValueError, match=r"impl: 'fakeodd:sted\*' matches no .* of sigmoid_bce, .*fakeodd:steady:eager"
    ):
        claims(question(), ["fakeodd:sted*"])
    with pytest.raises(ValueError, match="of sigmoid_bce"):  # it is a call of another form
        claims(question(), ["fakeodd:by_index:*"])
    with pytest.raises(ValueError, match="torhc"):
        claims(question(), ["fakeodd:*", "torhc:*"])


def test_an_index_is_the_one_hot_row_where_a_call_takes_rows_only():
    found = by_call(claims(question("softmax_xent", [0.0, 1.0], 1, "index"), ["fakeodd:*"]))
    assert (found["by_index"].encoding, found["by_row"].encoding) == ("index", "onehot")
    found = by_call(claims(question("softmax_xent", [0.0, 1.0], [0.0, 1.0], "onehot"), ["fakeodd:*"]))
    assert (found["by_index"].encoding, found["by_row"].encoding) == ("index", "onehot")


def test_labels_are_written_in_every_encoding():
    asked = question("softmax_xent", [0.0, 1.0, 2.0], 1, "index")
    assert asked.label("index") == 1
    assert asked.label("onehot").tolist() == asked.label("soft").tolist() == [0.0, 1.0, 0.0]
    row = question("softmax_xent", [0.0, 1.0], [0.0, 1.0], "onehot")
    assert row.label("index") == 1 and row.label("index").dtype == np.int64
    assert row.label("soft").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("asked", "call", "words"),
    [
        (question("softmax_xent", [0.0, 1.0], [0.5, 0.5], "soft"), "by_index", "takes index labels, not soft"),
        (question("prob_xent", [0.5, 0.5], [0.5, 0.5], "soft"), "normalizing", "claims options 'normalized', not ''"),
        (question(dtype="float16"), "no_halves", "no float16"),
    ],
    ids=["labels", "options", "dtype"],
)
def test_what_cannot_be_asked_says_why(asked, call, words):
    assert words in by_call(claims(asked, ["fakeodd:*"]))[call].absent


def test_a_library_without_the_form_gives_its_reason():
    (claim,) = (c for c in claims(question("bernoulli_likelihood", [1.0], [1.0])) if c.library == "torch")
    assert claim.call == "-" and "log-probabilities only" in claim.absent


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "0x1.8p+0"), (-12.0, "-0x1.8p+3"), (0.0, "0x0p+0"), (-0.0, "-0x0p+0"), (1.0, "0x1p+0"), (np.inf, "inf"),
     (0.1, "0x1.999999999999ap-4"), (5e-324, "0x0.0000000000001p-1022"), (np.nan, "nan"), (-np.inf, "-inf")],
    ids=str,
)  # fmt: skip
def test_hexadecimal_is_short_and_loses_nothing(value, text):
    assert hexadecimal(value) == text
    assert float.fromhex(text).hex() == float(value).hex()


AGAIN = [
    ("sigmoid", -np.inf, None, "float32", "", None),
    ("sigmoid", -0.0, None, "float32", "", None),
    ("sigmoid_bce", np.nan, 0.25, "float16", "", "torch:distributions.Bernoulli(logits).log_prob:eager:cpu"),
    ("margin_logistic", -1e8, -1.0, "float64", "", "numpy:*"),
    ("softmax_xent", [-5.0, 0.1], 1, "float64", "", None),
    ("softmax_xent", [-5.0], 0, "float64", "", None),
    ("softmax_xent", [-5.0], [1.0], "float64", "", None),
    ("multilabel_bce", [-5.0, np.inf], [1.0, 0.5], "bfloat16", "over=mean", "none"),
    ("prob_xent", [0.25, 5e-324], [0.1, 0.2], "float64", "normalized", None),
]


@pytest.mark.parametrize("arguments", AGAIN, ids=str)
def test_replay_asks_the_same_bits(arguments):
    form, x, y, dtype, options, impl = arguments
    words = shlex.split(replay(*arguments))
    assert words[0] == "lossbench"
    got = _parser().parse_args(attached(words[1:]))
    again = point(got.form, {name: getattr(got, name) for name in "zpqy"}, got.dtype, got.options)
    assert (got.impl or [None])[0] == impl and not again.changes
    asked = again.question
    assert (asked.form, asked.dtype, asked.options) == (form, dtype, options)
    assert asked.x.tobytes() == np.asarray(x, np.float64).tobytes() and asked.x.shape == np.shape(x)
    assert asked.y is y is None or (asked.y.tobytes() == np.asarray(y).tobytes() and asked.y.shape == np.shape(y))


def test_every_form_can_be_replayed():
    for form in FORMS:
        assert f" --{form.wrt}=0x1p+0" in replay(form.name, 1.0, None, "float32")
