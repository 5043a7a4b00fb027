"""How numbers and names are written."""

from __future__ import annotations

import math

import pytest

from lossbench.harness.rows import CATEGORIES
from lossbench.reports import notation


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (16.118095, "16.1"),
        (100.0, "100"),
        (0.69314718, "0.693"),
        (99999.0, "1e5"),
        (12345.0, "12300"),
        (7.123e-218, "7.12e-218"),
        (5e-324, "4.94e-324"),
        (0.0, "0"),
        (-0.0, "-0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (-2.5, "-2.5"),
    ],
)
def test_significant(value: float, text: str) -> None:
    assert notation.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (1.5177, "1.52"), (99.996, "100"), (123.4, "123"), (9999.6, "1.0e4"), (3.4e5, "3.4e5")],
)
def test_ulps(value: float, text: str) -> None:
    assert notation.ulps(value) == text


def test_ulps_without_a_finite_case() -> None:
    assert (notation.ulps(math.nan), notation.ulps(math.inf)) == ("-", ">1e308")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.86e8, "", "386 M"),
        (1.2e9, "", "1.2 G"),
        (3.41e-3, "s", "3.41 ms"),
        (999.9, "", "1 k"),
        (0.0, "s", "0"),
    ],
)
def test_scaled(value: float, unit: str, text: str) -> None:
    assert notation.scaled(value, unit) == text


def test_every_category_is_explained() -> None:
    assert tuple(notation.GLOSSARY) == CATEGORIES
    assert set(notation.SHORT) == set(CATEGORIES) - {"FINITE"}


def test_names_drop_what_is_common() -> None:
    names = notation.short_names(
        [
            ("torch", "nn.functional.softplus", "eager", "cpu", 1),
            ("torch", "nn.functional.softplus", "compile", "cpu", 1),
            ("numpy", "log1p(exp(-z))+1.5", "numpy", "cpu", 1),
        ]
    )
    assert list(names.values()) == [
        "numpy:log1p(exp(-z))+1.5",
        "torch:softplus:compile",
        "torch:softplus:eager",
    ]


def test_names_keep_classes() -> None:
    names = notation.short_names([("sklearn", "_loss.loss.HalfBinomialLoss.loss", "numpy", "cpu", 0)])
    assert list(names.values()) == ["sklearn:HalfBinomialLoss.loss"]


def test_names_keep_what_differs() -> None:
    names = notation.short_names(
        [("keras", "losses.softplus", "jit", "cpu", 1), ("keras", "ops.softplus", "jit", "cuda", 4)]
    )
    assert set(names.values()) == {"keras:losses.softplus:cpu@1", "keras:ops.softplus:cuda@4"}


def test_numbers_are_read_back() -> None:
    assert notation.number("0x1.8p+3") == 12.0
    assert notation.number("[1, 2]") is None
    assert notation.shown("a" * 40) == "a" * 23 + "…"


def test_order_is_that_of_the_reference() -> None:
    titles = ["a_form_of_a_plugin", "softmax_xent", "prob_xent[normalized]", "prob_xent"]
    assert sorted(titles, key=notation.form_rank) == [
        "prob_xent", "prob_xent[normalized]", "softmax_xent", "a_form_of_a_plugin"
    ]  # fmt: skip
    assert sorted(["float16", "float64", "float32"], key=notation.dtype_rank) == [
        "float32",
        "float64",
        "float16",
    ]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("torch:softplus:eager", "torch:softplus:eager"),
        ("tensorflow:weighted_cross_entropy_with_logits:graph", "tensorflow:weighted_cro…logits:graph"),
    ],
)
def test_long_names_lose_their_middle(name: str, short: str) -> None:
    assert notation.elided(name, 36) == short
    assert len(short) <= 36
