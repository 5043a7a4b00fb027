"""Duels: the ratio that is there is found whatever the machine does, and the verdict follows the interval."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness import duel as module
from lossbench.harness.duel import FEWEST, MOST, duel, interval, verdict


class Clock:
    """A clock that only calls move, on a machine that slows down all the time."""

    def __init__(self, drift=0.0):
        self.now, self.drift, self.calls = 0.0, drift, []

    def perf_counter(self):
        return self.now

    def work(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds * (1 + self.drift * len(self.calls))

        return run


@pytest.mark.parametrize("drift", [0.0, 0.01])
@pytest.mark.parametrize(("a_s", "b_s"), [(0.002, 0.001), (0.001, 0.003), (0.001, 0.001)])
def test_a_drift_of_the_machine_weighs_on_both(monkeypatch, a_s, b_s, drift):
    clock = Clock(drift)
    monkeypatch.setattr(module, "time", clock)
    ratios = duel(clock.work("a", a_s), clock.work("b", b_s), a_s, 0.1, seed=1)
    low, middle, high = interval(ratios)
    assert low <= middle <= high
    assert abs(middle / (a_s / b_s) - 1) < 2.0**-6  # blocks of 4 turns: a linear drift cancels but for its square


def test_turns_are_abba_or_baab_and_blocks_follow_the_budget(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    ratios = duel(clock.work("a", 0.01), clock.work("b", 0.01), 0.01, 0.4, seed=3)
    assert len(ratios) == 10
    blocks = ["".join(clock.calls[i : i + 4]) for i in range(1, len(clock.calls), 4)]
    assert set(blocks) == {"abba", "baab"}
    assert len(duel(clock.work("a", 10.0), clock.work("b", 10.0), 10.0, 0.1, seed=3)) == FEWEST
    assert len(duel(clock.work("a", 1e-3), clock.work("b", 1e-3), 1e-3, 10.0, seed=3)) == MOST


def test_short_calls_are_repeated_within_a_turn(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    ratios = duel(clock.work("a", 1e-6), clock.work("b", 4e-6), 1e-6, 0.001, seed=0)
    turns = 2 * len(ratios)
    assert clock.calls.count("a") in (turns * 100, turns * 101)
    np.testing.assert_array_max_ulp(np.array(ratios), np.full(len(ratios), 0.25), 1 << 24)


def test_the_interval_covers_what_it_should():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, _, high = interval(np.exp(rng.normal(np.log(1.5), 0.1, 30)))
        covered += low <= 1.5 <= high
    assert 178 <= covered <= 198  # 95 % of 200, and what chance and 30 blocks allow


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [(1.2, 1.5, "FAST"), (0.5, 0.8, "SLOW"), (0.95, 1.05, "SAME"), (0.95, 1.3, "AMBIGUOUS"), (0.8, 0.95, "AMBIGUOUS")],
)
def test_verdicts(low, high, want):
    assert verdict(low, high) == want
