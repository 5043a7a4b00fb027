"""The referee and its certificates: what agrees, what does not, whether the first oracle is asked at all."""

from __future__ import annotations

import math

import numpy as np

from tests.reference.copies import Copy

inf, nan = math.inf, math.nan
_ULP = 2.0**-24

# first (value, exponent of ulp, tail), second likewise, kind and radius of the second, whether they agree
AGREEMENT = [
    ((1.0, -23, 0.25), (1.0, -23, 0.25), "ball", 0.0, True),
    ((1.0, -23, 0.25), (1.0, -23, 0.25 + 2.0**-45), "ball", 0.0, True),
    ((1.0, -23, 0.25), (1.0, -23, 0.25 + 2.0**-31), "ball", 2.0**-30, True),
    ((1.0, -23, 0.25), (1.0, -23, 0.25 + 2.0**-40), "ball", 2.0**-45, False),
    ((1.0, -23, 0.25), (1.0, -23, -0.25), "ball", 2.0**-33, False),
    ((1.0, -23, 0.0), (1.0, -24, 0.0), "ball", 2.0**-33, False),
    ((1.0, -23, 0.0), (1.0, -24, 0.0), "enclosure", 0.0, False),
    ((1.0, -23, 0.0), (1 + 2.0**-23, -23, 0.0), "exact", 0.0, False),
    ((1.0, -23, 0.5), (1 + 2.0**-23, -23, -0.5), "ball", 2.0**-33, False),
    ((1.0, -23, 0.0), (-1.0, -23, 0.0), "ball", 2.0**-33, False),
    ((0.0, -149, 0.0), (-0.0, -149, 0.0), "ball", 0.0, False),
    ((-0.0, -149, 0.0), (-0.0, -149, 0.0), "enclosure", 0.0, True),
    ((inf, 105, 0.0), (inf, 0, 0.0), "enclosure", 0.0, True),
    ((inf, 105, 0.0), (-inf, 105, 0.0), "ball", 0.0, False),
    ((nan, 0, 0.0), (nan, 0, 0.0), "exact", 0.0, True),
    ((nan, 0, 0.0), (1.0, -23, 0.0), "ball", 0.0, False),
    ((1.0, -23, 0.0), (nan, 0, 0.0), "exact", 0.0, False),
]


def check_referee(copy: Copy) -> str | None:
    """A table of pairs, and oracles that lie: by an ulp, by a tail, in one component, in a sum, or when not asked."""
    reference = copy.reference
    rounded = reference.rounding.Rounded
    certified, certificate = reference.certificate.Certified, reference.certificate.Certificate
    for first, second, kind, radius, same in AGREEMENT:
        other = certified(rounded(*second), certificate(kind, 64, radius, "O2"))
        if reference.referee.agree(rounded(*first), other) is not same:
            return f"{first} and {second} ({kind}, {radius}) agree: {not same}"
    return _arrays(copy) or _liars(copy)


def _arrays(copy: Copy) -> str | None:
    """The same table, where it is about arrays of the bulk tier: there every tail comes with its radius."""
    reference = copy.reference
    kinds, dtype = reference.certificate.KINDS, reference.certificate.CERTIFICATE

    def held(side: int, oracle: int):
        value, exponent, tail = (np.array(part) for part in zip(*(row[side] for row in AGREEMENT), strict=True))
        packed = [(kinds.index(row[2]), oracle, 64, row[3] * side + 2.0**-44 * (1 - side)) for row in AGREEMENT]
        return reference.Exact(value, exponent.astype(np.int32), tail, np.array(packed, dtype))

    same = reference.oracle.same_results(held(0, 2), held(1, 0))
    for row, alike in zip(AGREEMENT, same, strict=True):
        if alike != row[4]:
            return f"in arrays {row[0]} and {row[1]} ({row[2]}, {row[3]}) agree: {alike}"
    return None


def _liars(copy: Copy) -> str | None:
    reference = copy.reference
    form, fmt = reference.form_of("log_softmax"), reference.formats.FORMATS["float32"]
    case, mean = reference.case.Case([1.0, 2.0, 4.0], None), None

    def spoil(results, what):
        last = results[-1]
        part = getattr(last, what)
        return [
            *results[:-1],
            last._replace(**{what: math.nextafter(part, inf) if what == "value" else part + 2.0**-20}),
        ]

    for asked in ("results", "total"):
        arguments = (case, mean) if asked == "results" else ([case, case], mean, 3)
        for what in ("", "value", "tail"):
            referee = reference.referee.Referee(form, "value", form.said(""), fmt)
            honest = getattr(referee.first, asked)
            if what:
                answer = spoil(honest(*arguments), what)
                setattr(referee.first, asked, lambda *_, answer=answer: answer)
            try:
                found = getattr(referee, asked)(*arguments)
            except reference.referee.DisagreementError as error:
                if not what:
                    return f"honest oracles disagree: {error}"
                continue
            if what:
                return f"the first oracle may lie about the {what} of {asked}"
            if any(one.certificate.oracles != "O1+O2" for one in found):
                return f"{asked} of both oracles are certified as {found[0].certificate}"
            setattr(referee.first, asked, None)  # to ask it would fail
            if any(one.certificate.oracles != "O2" for one in getattr(referee, asked)(*arguments, check=False)):
                return f"{asked} of the second oracle alone are not certified as such"
    return None


def check_certificates(copy: Copy) -> str | None:
    """Kind, bits, radius and oracles of known points, and how often the first oracle is asked."""
    got = copy.evaluate("sigmoid", [0.0, 1.0, -5000.0, inf, 2.0], None, "float32", check_every=2)
    found = [got.certificate(i) for i in range(5)]
    if [one.kind for one in found] != ["exact", "ball", "enclosure", "exact", "ball"]:
        return f"kinds are {[one.kind for one in found]}"
    if [one.oracles for one in found] != ["O1+O2", "O2", "O1+O2", "O2", "O1+O2"]:
        return f"oracles are {[one.oracles for one in found]}"
    for one in found:
        if (one.kind == "ball") != (0 < one.radius <= 2.0**-32) or (one.kind == "ball") != (one.precision >= 64):
            return f"a certificate says {one}, radius {one.radius}"
    tied = copy.evaluate("softmax", [[0.0, 0.0, 0.0, -6000.0]], None, "float32", "hess_diag:z")
    if [tied.certificate(0, k).kind for k in range(4)] != ["enclosure"] * 4:
        return f"three leading classes beside a far one are certified as {tied.certificate(0, 1)}"
    batch = copy.evaluate("sigmoid", [0.5, 1.0], None, "float32", reduction="sum", check_every=100)
    if str(batch.certificate()) != "ball, 64 bits, O1+O2" or batch.value.shape != ():
        return f"the certificate of a sum says {batch.certificate()}"
    one = copy.reference.exact("sigmoid", 2.0, dtype="float32")
    return None if one.certificate() == found[4] and one.value.shape == () else f"alone: {one.certificate()}"
