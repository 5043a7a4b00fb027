"""Where to look: generators of cases by argument role, each with regions and a promised coverage."""

from lossbench.suites.catalog import SUITES, suite_of
from lossbench.suites.suite import TIERS, Cases, Suite

__all__ = ["SUITES", "TIERS", "Cases", "Suite", "suite_of"]
