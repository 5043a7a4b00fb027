"""Breadth: every public function of the family that a library has is a call, or says why it is none."""

from __future__ import annotations

import importlib
import json
import re

import pytest

from lossbench.cli import main
from lossbench.harness.adapters import LIBRARIES, adapter_of

#: library -> module -> pattern of the names that belong to the family.
FAMILY = {
    "torch": {
        "nn": r".*(CrossEntropy|BCE|NLL|KLDiv|SoftMargin|Sigmoid|Soft(max|plus|min)|LogSo).*(?<!Hardsigmoid)",
        "nn.functional": r"(?!_).*(cross_entropy|kl_div|nll|soft_margin|sigmoid|soft(max|plus|min|sh|si)).*",
        "special": r"(expit|entr|xlogy|xlog1py|log_softmax|softmax|logsumexp)",
    },
    "jax": {
        "nn": r"(log_|soft(max|plus)|logsumexp|sigmoid).*",
        "scipy.special": r"(expit|entr|rel_entr|kl_div|xlogy|xlog1py|log_softmax|softmax|logsumexp)",
    },
    "optax": {"losses": r"(?!_).*(cross_entropy|kl_div|focal|fenchel|ranking|ntxent).*"},
    "tensorflow": {
        "nn": r"(.*(cross_entropy|softmax|nce_loss|sigmoid).*|softplus|softsign)",
        "math": r"(log_s.*|.*softmax|.*logsumexp|sigmoid|soft.*|xlogy|xlog1py)",
        "compat.v1.losses": r".*(cross_entropy|log_loss).*",
    },
    "keras": {
        "losses": r"(.*[cC]ross_?[eE]ntropy|KLDivergence|kl_divergence)",
        "ops": r"(.*crossentropy|log_s.*|soft.*|sigmoid|.*_sigmoid|logsumexp|logaddexp.*)",
    },
    "scipy": {
        "special": r"(logsumexp|log_softmax|softmax|expit|log_expit|xlogy|xlog1py|entr|rel_entr|kl_div|softplus)"
    },
    "sklearn": {"metrics": "log_loss", "_loss": "Half(Binomial|Multinomial)Loss"},
    "statsmodels": {"discrete.discrete_model": "Logit"},
}


def names(library: str) -> str:
    """All names that the library's calls are written with, one text."""
    return " ".join(f"{call.name} {'.'.join(call.name.split('.')[1:])}" for call in adapter_of(library).calls)


@pytest.mark.parametrize("library", FAMILY)
def test_every_function_of_the_family_is_a_call_or_says_why_not(library):
    adapter = adapter_of(library)
    if why := adapter.installed():
        pytest.skip(why)
    adapter.load()
    said = names(library)
    for path, pattern in FAMILY[library].items():
        module = importlib.import_module(adapter.requires[0])
        for part in path.split("."):
            module = getattr(module, part)
        found = [name for name in dir(module) if re.fullmatch(pattern, name)]
        assert found, path
        for name in found:
            listed = re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", said)
            assert listed or f"{path}.{name}" in adapter.outside, f"{library}: {path}.{name}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_outside_exists_has_a_reason_and_is_no_call(library):
    adapter = adapter_of(library)
    for name, why in adapter.outside.items():
        assert len(why.reason.split()) > 3 and name not in {call.name for call in adapter.calls}


def test_ninety_calls_of_nine_libraries(capsys):
    main(["list", "implementations", "--json"])
    rows = json.loads(capsys.readouterr().out)["implementations"]
    assert len({(row["library"], row["call"]) for row in rows}) >= 90
    assert len({row["library"] for row in rows}) >= 9
    assert len({row["library"] for row in rows if row["available"]}) >= 9
