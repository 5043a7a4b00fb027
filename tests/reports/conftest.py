"""Runs to report on: one with everything in it, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lossbench.reports.results import Results, load
from tests.reports import synthetic


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def results(run: Path) -> Results:
    return load(run)
