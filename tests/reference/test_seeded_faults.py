"""Faults are planted in copies of the reference and of the metrics, one at a time: each must be caught by a check."""

from __future__ import annotations

import sys

import pytest

import lossbench.harness.metrics
import lossbench.reference
from tests.reference.checks import CHECKS, complaint
from tests.reference.copies import ALIAS, Fault, copied
from tests.reference.faults import FAULTS

LISTED = [(area, fault) for area, faults in FAULTS.items() for fault in faults]
#: The least number of faults of an area.
LEAST = {"first": 20, "second": 20, "rounding": 12, "judging": 6, "metrics": 10}


def named(value):
    return value if isinstance(value, str) else f"{value.module}: {value.what}"


@pytest.mark.parametrize(("area", "fault"), LISTED, ids=named)
def test_a_planted_fault_is_caught(area, fault, record_property):
    caught = complaint(copied(fault))
    assert caught is not None, f"{fault.module}: nobody notices {fault.what}"
    record_property("caught by", caught[0])


@pytest.mark.parametrize("check", CHECKS)
def test_a_copy_without_a_fault_passes(check):
    assert CHECKS[check](copied()) is None


def test_the_list_is_long_and_every_text_stands_once_where_it_is_said_to():
    assert len(LISTED) >= 60
    assert {area: len(faults) >= LEAST[area] for area, faults in FAULTS.items()} == dict.fromkeys(LEAST, True)
    assert [(fault.module, fault.old) for _, fault in LISTED if fault.count != 1] == []
    assert len({(fault.module, fault.old, fault.new) for _, fault in LISTED}) == len(LISTED)
    assert all(fault.old != fault.new for _, fault in LISTED)


def test_a_fault_whose_text_is_gone_is_an_error():
    with pytest.raises(ValueError, match="occurs 0 times"):
        copied(Fault("reference/limits", "no such text", "", ""))


def test_a_copy_shares_nothing_with_the_package():
    copy, another = copied(), copied()
    for package in (lossbench.reference, another.reference):
        assert copy.reference.Exact is not package.Exact
    assert copy.metrics is not lossbench.harness.metrics
    assert copy.metrics.Exact is copy.reference.Exact
    modules = [value for value in vars(copy.reference).values() if type(value) is type(sys)]
    assert len(modules) > 20
    for module in (*modules, copy.metrics):
        for name, value in vars(module).items():
            assert not str(getattr(value, "__module__", "")).startswith("lossbench.reference"), (module.__name__, name)
    assert not [name for name in sys.modules if name.partition(".")[0] == ALIAS]
