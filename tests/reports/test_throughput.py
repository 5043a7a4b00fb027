"""Rankings of speed, and the findings that join speed and accuracy."""

from __future__ import annotations

import math

from lossbench.reports import findings, speed_charts, throughput
from lossbench.reports.heat_map import heat_map
from lossbench.reports.results import Results


def test_races_rank_the_fastest_first_and_the_disqualified_last(results: Results) -> None:
    race = next(
        r for r in throughput.races(results) if (r.title, r.work_class, r.shape) == ("prob_bce", "F", "1000000")
    )
    assert race.best is not None
    assert race.best.implementation == "native:prob_bce"
    last = race.timings[-1]
    assert last.barred == "disqualified: off by 3.4e5 ulp"
    assert math.isnan(race.ratio(last))
    ratios = [race.ratio(t) for t in race.timings[:-1]]
    assert ratios == sorted(ratios)
    assert ratios[0] == 1.0


def test_race_table(results: Results) -> None:
    race = next(r for r in throughput.races(results) if r.title == "prob_bce")
    table = throughput.race_table(race, numerous=True)
    assert "default threads" not in table.title
    assert table.rows[-1][1].text == "-"
    assert table.rows[-1][-1].text.startswith("disqualified")


def test_shapes_stand_side_by_side(results: Results) -> None:
    group = throughput.works(throughput.races(results))[0]
    table = throughput.shapes_table(group)
    assert table.columns[1:3] == (">1000", ">1000000")
    assert "(1.00x)" in table.rows[0][2].plain


def test_overlapping_rounds_are_the_same_speed() -> None:
    def timing(name: str, fastest: float, slowest: float) -> throughput.Timing:
        return throughput.Timing(name, "numpy", fastest, fastest, slowest, 1 / fastest, 1.0, 0.1, "")

    first, near, far = timing("a", 1.0, 1.2), timing("b", 1.09, 1.3), timing("c", 1.15, 1.4)
    race = throughput.Race("softplus", "-", "F", "float32", 1, "hot", "1000x10", (first, near, far))
    assert [race.same(t) for t in race.timings] == [False, True, False]
    assert race.size == 10000


def test_import_times(results: Results) -> None:
    assert [cell.text for cell in throughput.import_table(results).rows[0]] == ["torch", "1.7 s"]


def test_the_choice_is_accurate_first(results: Results) -> None:
    table = findings.choice(results, throughput.races(results))
    first = [cell.plain for cell in table.rows[0]]
    assert first[:5] == ["sigmoid_bce", "binary", "float32", "native:sigmoid_bce", "0.50"]
    assert first[5] == "native:sigmoid_bce"


def test_findings_name_what_was_planted(results: Results) -> None:
    missed = findings.misses(results, 50)
    assert any("`softplus` value at `x=100` (float32, float64): exact 100, but inf (SPURIOUS_INF)" in s for s in missed)
    assert all("numpy:log(1+exp(" in s for s in missed)
    flat = findings.plateaus(results, 50)
    assert any("flat at 16.1" in s and "`keras:binary_crossentropy`" in s for s in flat)
    assert any("flat at 20" in s and "`torch:binary_cross_entropy`" in s for s in flat)
    defects = {row[0].text: row[1].text for row in findings.libraries_table(results).rows}
    assert defects == {"native": "0 of 5", "keras": "0 of 5", "torch": "0 of 10", "numpy": "3 of 7"}
    worst = findings.offenders(results, 50)
    assert len(worst) == 3
    assert all("float64" in s for s in worst)


def test_charts_are_the_same_a_second_time(results: Results) -> None:
    races = throughput.races(results)
    for draw in (
        lambda: heat_map(results, "prob_bce", "float64"),
        lambda: speed_charts.speed_and_accuracy(results, races, "prob_bce"),
        lambda: speed_charts.bars(results, races, "prob_bce"),
    ):
        chart = draw()
        assert chart is not None
        assert chart == draw()


def test_no_chart_without_data(results: Results) -> None:
    assert heat_map(results, "logsumexp", "float32") is None
    assert speed_charts.bars(results, [], "prob_bce") is None


def test_what_is_not_timed_says_why(results: Results) -> None:
    assert throughput.untimed(results) == ["F and FB: `torch:mean_only:eager`: no"]
    assert all(race.shape for race in throughput.races(results))
