"""What a copy of the reference must get right. Each check takes a copy and returns a complaint, or None.

They are ordered by what they cost for what they find; a faulty copy needs to be caught by one.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.reference.checks.agreement import check_contract, check_oracles
from tests.reference.checks.arguments import check_arguments, check_options
from tests.reference.checks.formats import check_formats
from tests.reference.checks.judging import check_certificates, check_referee
from tests.reference.checks.metrics import check_metrics
from tests.reference.checks.results import check_direct, check_published, check_sums
from tests.reference.checks.roundings import check_balls, check_rounding
from tests.reference.copies import Copy

CHECKS: dict[str, Callable[[Copy], str | None]] = {
    "metrics": check_metrics,
    "options": check_options,
    "certificates": check_certificates,
    "referee": check_referee,
    "arguments": check_arguments,
    "formats": check_formats,
    "published": check_published,
    "contract": check_contract,
    "direct": check_direct,
    "balls": check_balls,
    "rounding": check_rounding,
    "sums": check_sums,
    "oracles": check_oracles,
}


def complaint(copy: Copy) -> tuple[str, str] | None:
    """The first check that is not content, and what it says; an oracle that gives up is a complaint as well."""
    for name, check in CHECKS.items():
        try:
            said = check(copy)
        except (ArithmeticError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
        if said:
            return name, said
    return None
