"""Fake libraries for the tests of the harness, offered for the length of one module."""

from __future__ import annotations

import pytest

from tests.harness import fakes


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    """The folder in which the fake libraries are installed."""
    with pytest.MonkeyPatch.context() as patch, fakes.offer(tmp_path_factory.mktemp("fakes") / "site", patch) as folder:
        yield folder
