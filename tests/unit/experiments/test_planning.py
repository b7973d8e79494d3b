"""A plan promises what then happens, for the whole verdict."""

from __future__ import annotations

import pytest

from autopack.experiments.pairs.pair_table import PHASE_COUNTS
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.planning.decision_power import Scenario, chances, plan_verdict
from autopack.experiments.planning.pilot import read_pilot
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.matrix import Decision
from autopack.model.errors import BadInput

ONCE = AnalysisProtocol()
MONITORED = AnalysisProtocol(monitored=True, max_pairs=1)


@pytest.mark.parametrize(
    ("scenario", "protocol", "bottleneck", "goal"),
    [
        # equal success is hard to show where a quarter of pairs is discordant
        (Scenario(0.5, 0.83), ONCE, "success", Decision.SAVES),
        (Scenario(0.5, 0.83), MONITORED, "success", Decision.SAVES),
        # phases tell more, and then tokens are what takes long
        (
            Scenario(0.7, 0.83, discordance=0.1, control_rate=0.9, phases=8),
            MONITORED,
            "resources",
            Decision.SAVES,
        ),
        (Scenario(1.0, 0.2, discordance=0.05), ONCE, "success", Decision.EQUIVALENT),
        (Scenario(0.7, 0.83, -0.3, 0.4), ONCE, "success", Decision.LOSES_SUCCESS),
        (Scenario(1.5, 0.5, 0.3, 0.4), ONCE, "success", Decision.BUYS_SUCCESS),
    ],
)
def test_what_is_promised_happens(
    scenario: Scenario, protocol: AnalysisProtocol, bottleneck: str, goal: Decision
) -> None:
    plan = plan_verdict(scenario, protocol, target=0.8)
    assert goal in plan.goal
    assert plan.bottleneck == bottleneck
    assert plan.pairs is not None
    promised = next(one for one in plan.by_pairs if one.pairs == plan.pairs).goal
    assert promised >= 0.79
    again = protocol.model_copy(update={"min_pairs": plan.min_pairs})
    fresh = chances(scenario, plan.pairs, again, repetitions=2_000, seed=99)
    assert fresh.goal == pytest.approx(promised, abs=0.03)


@pytest.mark.full
@pytest.mark.parametrize("monitored", [False, True])
@pytest.mark.parametrize("ratio", [0.5, 0.6, 0.8])
@pytest.mark.parametrize("discordance", [0.05, 0.24])
def test_twelve_settings_are_met_within_three_points(
    monitored: bool, ratio: float, discordance: float
) -> None:
    scenario = Scenario(ratio, 0.83, discordance=discordance)
    protocol = MONITORED if monitored else ONCE
    plan = plan_verdict(scenario, protocol, target=0.8)
    assert plan.pairs is not None
    promised = next(one for one in plan.by_pairs if one.pairs == plan.pairs).goal
    again = protocol.model_copy(update={"min_pairs": plan.min_pairs})
    fresh = chances(scenario, plan.pairs, again, repetitions=1_000, seed=4)
    assert fresh.goal == pytest.approx(promised, abs=0.03)


def test_no_plan_is_below_what_a_verdict_needs() -> None:
    plan = plan_verdict(
        Scenario(0.1, 0.1, discordance=0.01, control_rate=0.99, phases=100), ONCE, target=0.5
    )
    assert plan.pairs == 7
    assert min(one.pairs for one in plan.by_pairs) == 7
    assert chances(Scenario(0.5, 0.1), 6, ONCE).decisions == {Decision.INSUFFICIENT: 1.0}


def test_a_success_difference_at_the_margin_is_never_called_maintained() -> None:
    margin = AnalysisProtocol(ni_margin=0.0501)
    seen = chances(Scenario(0.5, 0.5, -0.05, 0.3), 500, margin, repetitions=500)
    assert seen.success < 0.09
    assert seen.goal == pytest.approx(seen.success, abs=0.02)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"ratio": 0.0}, "ratio"),
        ({"sd": 0.0}, "sd"),
        ({"difference": 0.3, "discordance": 0.2}, "discordance"),
        ({"control_rate": 1.5}, "control_rate"),
        ({"phases": 0}, "phases"),
    ],
)
def test_what_cannot_be_true_is_refused(fields: dict[str, float], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        Scenario(**{"ratio": 0.8, "sd": 0.8, **fields})  # pyright: ignore[reportArgumentType]
    assert caught.value.field == field


def test_outcomes_keep_what_was_stated() -> None:
    both, lost, won, neither = Scenario(0.8, 0.8, 0.1, 0.3, 0.7).outcomes()
    assert both + lost + won + neither == pytest.approx(1)
    assert (won - lost, won + lost) == (pytest.approx(0.1), pytest.approx(0.3))
    assert both + lost == pytest.approx(0.7)


def test_a_pilot_tells_noise_and_rates() -> None:
    records: list[dict[str, object]] = [
        {
            "pair": i,
            "plan": i,
            "control_tokens": 1000,
            "treatment_tokens": 700 + 100 * (i % 3),
            "control_success": i != 0,
            "treatment_success": i != 1,
        }
        for i in range(20)
    ]
    pilot = read_pilot(table_of(records))
    assert pilot.discordance == pytest.approx(2.5 / 21)
    assert (pilot.control_rate, pilot.phases) == (pytest.approx(0.95), 1)
    for i, record in enumerate(records):
        record |= dict(zip(PHASE_COUNTS, (3, i % 2, (i + 1) % 2, 0), strict=True))
        record["control_phase_fraction"] = (3 + i % 2) / 4
        record["treatment_phase_fraction"] = (3 + (i + 1) % 2) / 4
    by_phase = read_pilot(table_of(records))
    assert by_phase.discordance == pytest.approx(20.5 / 81)
    assert by_phase.phases == 4
