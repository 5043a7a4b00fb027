"""Faults that were planted in the reference and in the metrics, each of which the checks must catch.

A fault that no check catches is a finding about the checks; one that changes nothing observable is no fault.
"""

from __future__ import annotations

from tests.reference.copies import Fault
from tests.reference.faults.first import FIRST
from tests.reference.faults.judging import JUDGING
from tests.reference.faults.metrics import METRICS
from tests.reference.faults.rounding import ROUNDING
from tests.reference.faults.second import SECOND

#: By area: the first oracle, the second with its limits, roundings and formats, what judges and reads, the scores.
FAULTS: dict[str, tuple[Fault, ...]] = {
    "first": FIRST,
    "second": SECOND,
    "rounding": ROUNDING,
    "judging": JUDGING,
    "metrics": METRICS,
}
