"""Signs of sums of exponentials, and of what far classes add to a quotient of two of them, proved by balls."""

from __future__ import annotations

from collections.abc import Sequence

from flint import arb, ctx, fmpq

from lossbench.reference.limits import FAR, FAR_EXPONENT, ZERO

_FAR = fmpq(int(FAR))


def leading_sign(terms: Sequence[tuple[fmpq, fmpq]], beside: fmpq = ZERO) -> int:
    """Sign of sum c exp(x) over pairs (x, c) of distinct x, the largest first. Zero only if every c is (Lindemann).

    beside: bound on what else there is, as a multiple of 2^FAR_EXPONENT exp(x) of the largest x.
    """
    terms = [(x, c) for x, c in terms if c != 0]
    if not terms:
        return 0
    top = terms[0][0]
    felt = [(x - top, c) for x, c in terms if top - x <= _FAR]
    rest = sum((abs(c) for _, c in terms), beside)
    for precision in (128, 1 << 10, 1 << 13, 1 << 16):
        with ctx.workprec(precision):
            ball = sum((arb(c) * arb(gap).exp() for gap, c in felt), arb(0))
            ball += arb(0, (arb(rest) * arb(2) ** FAR_EXPONENT).upper())
            if ball > 0 or ball < 0:
                return 1 if ball > 0 else -1
    raise ArithmeticError("the sign of a sum of exponentials is not decided at 65536 bits")


def side_of_quotient(n: int, first: fmpq, sums: Sequence[fmpq], sizes: Sequence[int], gaps: Sequence[fmpq]) -> int:
    """Side on which (first + F) / (n + S)^2 lies of first / n^2, with S = sum size_g e_g, F = sum sum_g e_g.

    e_g = exp(gap_g), where each gap is below -FAR and the largest comes first. It is the sign of
    n sum (n sum_g - 2 first size_g) e_g - first S^2, where the square has a say only if the largest term vanishes.
    """
    turns = [n * felt - 2 * first * size for felt, size in zip(sums, sizes, strict=True)]
    if not turns or turns[0] != 0:
        return leading_sign(list(zip(gaps, turns, strict=True)), abs(first) * sum(sizes) ** 2)
    terms: dict[fmpq, fmpq] = {}
    for i, (gap, turn, size) in enumerate(zip(gaps, turns, sizes, strict=True)):
        terms[gap] = terms.get(gap, ZERO) + n * turn
        for j in range(i + 1):
            both = gap + gaps[j]
            terms[both] = terms.get(both, ZERO) - (1 if i == j else 2) * first * size * sizes[j]
    return leading_sign(sorted(terms.items(), reverse=True))
