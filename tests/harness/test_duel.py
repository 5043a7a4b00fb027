"""Duels: the ratio that is there is found whatever the machine does, and the verdict follows the interval."""

from __future__ import annotations

import numpy as np
import pytest

from lossbench.harness import duel as module
from lossbench.harness.duel import FEWEST, FEWEST_LONG, LONG_S, MOST, duel, interval, verdict


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
    ratios = duel(clock.work("a", a_s), {"b": clock.work("b", b_s)}, a_s, 0.1, seed=1)["b"]
    low, middle, high = interval(ratios)
    assert low <= middle <= high
    assert abs(middle / (a_s / b_s) - 1) < 2.0**-6  # blocks of 4 turns: a linear drift cancels but for its square


@pytest.mark.parametrize("drift", [0.0, 0.01])
def test_a_drift_of_the_machine_weighs_on_all_three(monkeypatch, drift):
    clock = Clock(drift)
    monkeypatch.setattr(module, "time", clock)
    found = duel(clock.work("a", 3e-3), {n: clock.work(n, s) for n, s in (("b", 1e-3), ("c", 2e-3))}, 3e-3, 0.2, 5)
    for name, want in (("b", 3.0), ("c", 1.5)):
        assert abs(interval(found[name])[1] / want - 1) < 2.0**-5


def test_turns_go_back_the_way_they_came_and_blocks_follow_the_budget(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)

    def blocks(seconds, budget, *names):
        clock.calls.clear()
        found = duel(clock.work("a", seconds), {n: clock.work(n, seconds) for n in names}, seconds, budget, seed=3)
        assert list(found) == list(names)
        size = 2 + 2 * len(names)
        turns = ["".join(clock.calls[i : i + size]) for i in range(len(names), len(clock.calls), size)]
        assert {len(ratios) for ratios in found.values()} == {len(turns)}
        return turns

    assert set(blocks(0.01, 0.401, "b")) == {"abba", "baab"}
    assert len(blocks(0.01, 0.401, "b")) == 10
    three = blocks(0.01, 2.401, "b", "c")
    assert len(three) == 40 and len(set(three)) == 6
    assert all(turn == turn[::-1] and set(turn) == set("abc") for turn in three)
    assert len(blocks(0.9 * LONG_S, 0.1, "b")) == FEWEST
    assert len(blocks(1.1 * LONG_S, 0.1, "b")) == FEWEST_LONG
    assert len(blocks(1e-3, 10.0, "b")) == MOST


def test_short_calls_are_repeated_within_a_turn(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    ratios = duel(clock.work("a", 1e-6), {"b": clock.work("b", 4e-6)}, 1e-6, 0.001, seed=0)["b"]
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
