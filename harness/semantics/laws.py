"""Laws that need no reference: two answers of a library that must agree, and how many ulps they are apart.

Inputs are dyadic, so that shifting, negating and permuting them is exact: a difference is the library's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossbench.harness.semantics.ask import DEFAULTS, DTYPE, Answer, Array, Case, precision
from lossbench.reference.formats import FORMATS

#: Largest difference, in ulps at the larger answer, at which a law holds: rounding explains it. It is broken where
#: half of the digits differ.
HOLDS_ULP = 16.0
#: Added to every logit; rows of the long batch, which the worker's padded batches have too.
SHIFT, LONG = 64.0, 64
#: Repetitions of the base batch that make every library share the work among threads.
TILE = 1 << 14
#: The law of one answer: nothing but its digits is looked at.
DIGITS = "digits"
#: Asks of the same rows in batches of other sizes.
BATCHES = ("first half", "second half", "long", "alone")
#: The ask that goes to a process whose pools have one thread.
ONE_THREAD = "one thread"
CLASSES = ("softmax_xent", "prob_xent")

_Z = np.array([[0.5, -1.25, 2.0], [24.0, -8.0, 16.0], [-3.0, -3.0, -3.0], [2.5, -1.0, 0.5]], np.float32)
_Q = np.array([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75], [0.5, 0.375, 0.125], [0.9375, 0.03125, 0.03125]], np.float32)
_T = np.array([2, 0, 1, 1])
_V = np.array([0.5, -1.25, 2.0, -24.0, 12.0, -0.375], np.float32)
_P = np.array([0.25, 0.125, 0.5, 0.75, 0.875, 0.0625], np.float32)
_B = np.array([1, 0, 1, 1, 0, 0], np.float32)
_BK = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], np.float32)
_ORDER = np.array([2, 0, 1])


@dataclass(frozen=True)
class Law:
    """A law: text, and the pair of arrays that must agree, from the answers by the name of their ask.

    pair returns None where an answer is missing.
    """

    name: str
    text: str
    pair: Callable[[dict[str, Answer]], tuple[Array, Array] | None]


def base(form: str) -> tuple[Array, Array | None]:
    """Inputs and labels of the base batch; labels as rows or numbers, {0,1}."""
    if form in ("softmax", "log_softmax", "logsumexp"):
        return _Z, None
    if form in ("sigmoid", "log_sigmoid", "softplus"):
        return _V, None
    if form in CLASSES:
        return (_Q if form == "prob_xent" else _Z), np.eye(3, dtype=np.float32)[_T]
    if form in ("multilabel_bce", "bernoulli_likelihood", "bernoulli_log_likelihood"):
        return _Z, _BK
    return (_P if form == "prob_bce" else _V), _B


def cases(form: str, options: str, encodings: tuple[str, ...], dtype: str = DTYPE) -> Iterator[Case]:
    """Every ask of the laws for a call; names are those that the laws use."""
    for case in _cases(form, options, encodings):
        yield case.cast(dtype)


def _cases(form: str, options: str, encodings: tuple[str, ...]) -> Iterator[Case]:
    x, y = base(form)
    first = encodings[0]

    def case(name: str, x: Array, y: Array | None, encoding: str = first, gradient: bool = False) -> Case:
        return Case("laws", name, x, write(y, encoding), encoding, None, form, options, gradient=gradient)

    yield case("base", x, y, gradient=form == "softmax_xent")
    for encoding in encodings[1:]:
        yield case(f"as {encoding}", x, y, encoding)
    if form in ("softmax_xent", "softmax", "log_softmax", "logsumexp"):
        yield case("shifted", x + np.float32(SHIFT), y)
        masked = np.insert(x, 2, -np.inf, axis=1)
        yield case("masked", masked, None if y is None else np.insert(y, 2, 0, axis=1))
    if x.ndim == 2:
        yield case("permuted", x[:, _ORDER], None if y is None else y[:, _ORDER])
    if form in ("sigmoid_bce", "multilabel_bce", "margin_logistic", "sigmoid_mse") and y is not None:
        yield case("mirrored", -x, 1 - y)
    if form == "prob_bce" and y is not None:
        yield case("mirrored", 1 - x, 1 - y)
    half = len(x) // 2
    yield case("first half", x[:half], None if y is None else y[:half])
    yield case("second half", x[half:], None if y is None else y[half:])
    again = np.arange(LONG) % len(x)
    yield case("long", x[again], None if y is None else y[again])
    yield case("alone", x[:1], None if y is None else y[:1])
    for name in ("all threads", ONE_THREAD):
        yield replace(case(name, x, y), tile=TILE)
    if form == "softmax_xent" and y is not None:
        two = np.stack([np.zeros_like(_V), _V], axis=1)
        yield case("two classes", two, np.eye(2, dtype=np.float32)[_B.astype(int)])


def write(y: Array | None, encoding: str) -> Array | None:
    """Labels of the base batch in an encoding."""
    if y is None or encoding == "-":
        return None
    if encoding == "index":
        return np.asarray(np.argmax(y, axis=1))
    return np.asarray(2 * y - 1) if encoding == "signed" else y


def _value(answers: dict[str, Answer], name: str) -> Array | None:
    answer: Answer | None = answers.get(name)
    return None if answer is None or answer.status != "measured" else answer.value


def _equal(left: str, right: str, change: Callable[[Array], Array] = lambda a: a) -> Callable[[dict[str, Answer]], Any]:
    def pair(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
        a, b = _value(answers, left), _value(answers, right)
        return None if a is None or b is None or not b.size else (change(a), b)

    return pair


def _halves(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    a, b, c = (_value(answers, name) for name in ("base", "first half", "second half"))
    return None if a is None or b is None or c is None else (a, np.concatenate([b, c]))


def _rows(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    answer = answers.get("base")
    if answer is None or answer.grad is None or answer.grad.ndim != 2:
        return None
    size = np.abs(answer.grad).max(1)  # rounding of each entry, not of the sum, is what counts
    return size + answer.grad.sum(1), size


def _sum(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    none, total = _value(answers, "base"), _value(answers, "sum")
    return None if none is None or total is None else (np.asarray(none.sum()), total)


def _mean(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    none, mean = _value(answers, "base"), _value(answers, "mean")
    return None if none is None or mean is None else (np.asarray(none.mean()), mean)


def _default(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    """Whichever of the reductions the default has the shape and, being stated, the value of."""
    default = _value(answers, "default")
    if default is None:
        return None
    stated = _value(answers, "mean" if default.ndim == 0 else "base")
    return None if stated is None else (stated, default)


def _negative(answers: dict[str, Answer]) -> tuple[Array, Array] | None:
    found = _value(answers, "base")
    return None if found is None else (found, np.maximum(found, 0))


LAWS: tuple[Law, ...] = (
    Law("shift", "a number added to all logits changes nothing", _equal("base", "shifted")),
    Law("permutation", "permuted classes, the same loss", _equal("base", "permuted")),
    Law("mask", "a class at -inf is no class", _equal("base", "masked")),
    Law("mirror", "L(z, 1) = L(-z, 0)", _equal("base", "mirrored")),
    Law("index = one-hot", "two writings of one label", _equal("base", "as onehot")),
    Law("one-hot = soft", "a soft label that is one-hot", _equal("base", "as soft")),
    Law("two classes", "two-class softmax of [0, z] is the sigmoid of z", _equal("two classes", "sigmoid_bce")),
    Law("{0,1} = {-1,+1}", "the library's binary and margin losses agree", _equal("base", "margin_logistic")),
    Law("gradient sum", "gradient rows sum to 0", _rows),
    Law("not negative", "a loss is at least 0", _negative),
    Law("split", "two halves are the whole batch", _halves),
    Law("alone", "a case alone, and inside a longer batch", _equal("long", "alone", lambda a: a[:1])),
    Law("one thread = all", "a long batch, whatever the number of threads", _equal("all threads", ONE_THREAD)),
    Law("none to sum", "the sum is that of the unreduced losses", _sum),
    Law("none to mean", "the mean is that of the unreduced losses", _mean),
    Law("default reduction", "no reduction named: the mean, or the unreduced losses", _default),
    Law("default = passed", "default arguments left out, and passed", _equal("base", DEFAULTS)),
    Law(DIGITS, "results for float64 inputs have more digits than float32 holds", _equal("base", "base")),
    Law("eager = compiled", "every mode gives the same", _equal("eager", "base")),
)
#: Laws that hold for some forms only.
FORMS = {
    "shift": ("softmax_xent", "softmax", "log_softmax"),
    "mask": ("softmax_xent", "logsumexp"),
    "permutation": ("softmax_xent", "prob_xent", "multilabel_bce", "logsumexp"),
    "mirror": ("sigmoid_bce", "multilabel_bce", "margin_logistic", "sigmoid_mse", "prob_bce"),
    "two classes": ("softmax_xent",),
    "{0,1} = {-1,+1}": ("sigmoid_bce",),
    "gradient sum": ("softmax_xent",),
    "index = one-hot": CLASSES,
    "one-hot = soft": CLASSES,
}


#: Laws that an option of the form breaks: smoothing spreads mass over the classes that there are, and a weight of the
#: label 1 tells it from the label 0.
UNLESS = {
    "mask": "label_smoothing",
    "two classes": "label_smoothing",
    "mirror": "pos_weight",
    "{0,1} = {-1,+1}": "pos_weight",
}


def judge(
    law: Law, form: str, answers: dict[str, Answer], encodings: tuple[str, ...], dtype: str = DTYPE, options: str = ""
) -> dict[str, Any] | None:
    """A record: verdict holds, nearly or broken with the distance in ulps; None where a call has no such pair.

    Ulps are those of the format asked, or of the result's where that is coarser.
    """
    if form not in FORMS.get(law.name, (form,)) or UNLESS.get(law.name, "nothing") in options:
        return None
    if law.name == "not negative" and (encodings == ("-",) or form.startswith("bernoulli")):
        return None
    if law.name == "{0,1} = {-1,+1}" and "binary" not in encodings[0]:
        return None
    if law.name == DIGITS:
        return digits(answers.get("base")) if dtype == "float64" else None
    pair = law.pair(answers)
    if pair is None:
        return None
    a, b = pair
    if a.shape != b.shape:
        text = f"shapes {list(a.shape)} and {list(b.shape)}"
        return {"verdict": "broken", "ulps": None, "text": text, "values": [a.tolist(), b.tolist()]}
    bits = precision(dtype, answers["base"].dtype)
    with np.errstate(all="ignore"):
        gap = np.abs(a - b) / _ulp(np.maximum(np.abs(a), np.abs(b)), dtype, bits)
    gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(gap), np.inf, gap))
    worst = float(gap.max(initial=0.0))
    place = np.unravel_index(int(np.argmax(gap)), gap.shape)
    nearly = 2.0 ** (bits // 2)
    verdict = "holds" if worst <= min(HOLDS_ULP, nearly) else "nearly" if worst <= nearly else "broken"
    found: dict[str, Any] = {"verdict": verdict, "ulps": worst}
    if verdict == "holds":
        return found
    found["text"] = f"{a[place]:.9g} and {b[place]:.9g}"
    if a.ndim:
        found |= {"row": int(place[0]), "values": [a[place[0]].tolist(), b[place[0]].tolist()]}
    else:
        found["values"] = [a.tolist(), b.tolist()]
    return found


def digits(answer: Answer | None) -> dict[str, Any] | None:
    """The record of the law of the digits: broken where every result for float64 is a number of float32 too."""
    if answer is None or answer.value is None:
        return None
    value = answer.value
    with np.errstate(over="ignore"):
        narrow = bool(np.all(value == value.astype(np.float32)))
    if not narrow:
        return {"verdict": "holds", "ulps": 0.0}
    text = f"every result is a number of float32, and its dtype is {answer.dtype}"
    return {"verdict": "broken", "ulps": None, "text": text, "values": value.tolist()}


def _ulp(size: Array, dtype: str, bits: int) -> Array:
    """Units in the last place of numbers with so many bits and the exponents of a format."""
    exponent = np.maximum(np.frexp(size)[1] - 1, FORMATS[dtype].emin)
    return np.asarray(np.ldexp(1.0, exponent - bits + 1))
