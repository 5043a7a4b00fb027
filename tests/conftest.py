"""What all tests share: a cache of exact values of their own, and surroundings that do not depend on who runs them."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_exact_values(tmp_path_factory):
    """Tests neither see nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSBENCH_CACHE", str(tmp_path_factory.mktemp("exact")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_trace_of_workers():
    """pytest-benchmark measures nothing where the environment says that this is a worker of pytest-xdist."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_XDIST_WORKER", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard():
    """A shell starts what it runs in the background deaf to interrupts, and so would be all that tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
