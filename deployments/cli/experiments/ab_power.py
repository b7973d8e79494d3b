"""``autopack ab power``: planning how many pairs a verdict needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from autopack.model.errors import BadInput
from deployments.cli.experiments.ab import print_table, read_table
from deployments.cli.experiments.ab_declared import Names, check_seed, several
from deployments.cli.shared.output import AsJson, out, print_json

if TYPE_CHECKING:
    from autopack.experiments.planning.decision_power import Scenario, VerdictPlan
    from autopack.experiments.planning.pilot import Pilot
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.shapes.matrix import Decision
    from autopack.experiments.statistics.power import PowerPlan

# Planned for where no ratio is given: a small and a large saving.
_USUAL = (0.8, 0.6)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Noise:
    """Where the noise of the pairs comes from."""

    sd: Annotated[float | None, Parameter(help="SD of ln(treatment / control) over plans.")] = None
    pilot: Annotated[
        Path | None,
        Parameter(help="Table of pairs to take the noise from.", allow_leading_hyphen=True),
    ] = None
    test: Annotated[
        str | None, Parameter(help="An experiment whose finished pairs tell the noise.")
    ] = None
    control_runs: Annotated[Names, several("Finished runs of one arm.")] = None
    treatment_runs: Annotated[Names, several("Those of the other.")] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is taken to be true."""

    ratio: Annotated[
        list[float] | None,
        Parameter(negative="", help="True treatment / control to plan for; repeatable."),
    ] = None
    success_difference: Annotated[
        float, Parameter(help="True success of treatment minus that of control, as a share.")
    ] = 0.0
    discordance: Annotated[
        float | None,
        Parameter(help="Share of pairs in which one arm alone succeeds; the pilot's, or 0.24."),
    ] = None
    control_rate: Annotated[
        float | None, Parameter(help="Share of control runs that succeed; the pilot's, or 0.7.")
    ] = None
    phases: Annotated[
        int | None,
        Parameter(help="Phases a plan, where phase completion decides; the rates are of phases."),
    ] = None

    def scenario(self, ratio: float, noise: float, known: Pilot | None) -> Scenario:
        """Return the scenario of one ratio; what is not said comes from a pilot, or is usual."""
        from autopack.experiments.planning.decision_power import (
            USUAL_DISCORDANCE,
            USUAL_RATE,
            Scenario,
        )

        discordance, control_rate, phases = self.discordance, self.control_rate, self.phases
        if discordance is None:
            assumed = known.discordance if known is not None else USUAL_DISCORDANCE
            discordance = max(assumed, abs(self.success_difference))
        rate = known.control_rate if known is not None else USUAL_RATE
        several_phases = known.phases if known is not None else 1
        return Scenario(
            ratio=ratio,
            sd=noise,
            difference=self.success_difference,
            discordance=discordance,
            control_rate=rate if control_rate is None else control_rate,
            phases=several_phases if phases is None else phases,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Rule:
    """What will be declared of the analysis."""

    ni_margin: Annotated[float, Parameter(help="How much lower success may be, as a share.")] = 0.10
    margin_alpha: Annotated[
        float, Parameter(help="How often 'within the margin' may be false.")
    ] = 0.025
    monitored: Annotated[
        bool, Parameter(negative="", help="Results are looked at after every pair.")
    ] = False

    def protocol(self) -> AnalysisProtocol:
        """Return the protocol of the analysis. Raises BadInput for what is out of range."""
        from autopack.experiments.shapes.analysis_protocol import LEAST_MARGIN, AnalysisProtocol

        if not LEAST_MARGIN <= self.ni_margin < 1:
            raise BadInput(
                "ni_margin is out of range",
                field="ni_margin",
                hint=f"give a share from {LEAST_MARGIN:g} and below 1, such as 0.10",
            )
        if not 0 < self.margin_alpha <= 0.05:
            raise BadInput(
                "margin_alpha is out of range", field="margin_alpha", hint="give a share up to 0.05"
            )
        return AnalysisProtocol(
            ni_margin=self.ni_margin,
            margin_alpha=self.margin_alpha,
            monitored=self.monitored,
            max_pairs=1 if self.monitored else None,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the pairs are planned for."""

    goal: Annotated[Names, Parameter(name="--for", negative="", help="Decisions to plan for.")] = (
        None
    )
    target: Annotated[float, Parameter(name="--power", help="The chance that is wanted.")] = 0.8
    pairs: Annotated[
        int | None, Parameter(help="Also say what this many pairs, one a plan, come to.")
    ] = None


# Every group of options, with nothing said.
_NO_NOISE, _NO_TRUTH, _USUAL_RULE, _NO_WANTED = Noise(), Truth(), Rule(), Wanted()


def power(
    *,
    noise: Noise = _NO_NOISE,
    truth: Truth = _NO_TRUTH,
    rule: Rule = _USUAL_RULE,
    wanted: Wanted = _NO_WANTED,
    seed: Annotated[int, Parameter(help="Seed of the simulated experiments.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Plan how many pairs a verdict needs.

    By simulating experiments under its rule. Tokens and success are both planned for; the answer
    names the one that needs more pairs.
    """
    from autopack.experiments.planning.decision_power import plan_verdict
    from autopack.experiments.statistics.power import USUAL_RATIOS, plan_power
    from autopack.experiments.verdicts.gate import required_decisions

    check_seed(seed)
    known = _known(noise)
    sd = known.sd if known is not None else noise.sd or 0.0
    by_tokens = USUAL_RATIOS if truth.ratio is None else [one for one in truth.ratio if one != 1]
    ratios = truth.ratio or list(_USUAL)
    tokens = plan_power(sd, by_tokens, wanted.pairs)
    protocol = rule.protocol()
    if not -1 < truth.success_difference < 1:
        raise BadInput(
            "success_difference is out of range",
            field="success_difference",
            hint="give a share between -1 and 1, such as -0.05",
        )
    goal = sorted(required_decisions(wanted.goal, "for") or ())
    plans = [
        plan_verdict(
            truth.scenario(one, sd, known),
            protocol,
            target=wanted.target,
            pairs=wanted.pairs,
            goal=goal,
            seed=seed,
        )
        for one in ratios
    ]
    if as_json:
        print_json({**_tokens_json(tokens), "verdict": [_json(plan) for plan in plans]})
    else:
        _print(tokens, plans, protocol)
    return 0


def _known(noise: Noise) -> Pilot | None:
    """Return what earlier pairs tell, from wherever they are; None where the SD is given."""
    from autopack.experiments.planning.pilot import read_pilot

    sd, pilot, test = noise.sd, noise.pilot, noise.test
    control, treatment = noise.control_runs, noise.treatment_runs
    runs = control or treatment
    if sum(source is not None and source != [] for source in (sd, pilot, test, runs)) != 1:
        raise BadInput(
            "the noise of the pairs is needed once",
            field="sd",
            hint="give one of --sd, --pilot, --test, or --control-runs with --treatment-runs",
        )
    if sd is not None:
        return None
    if pilot is not None:
        return read_pilot(read_table(pilot))

    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    db = Database.open(Settings.from_environment().database_url)
    if test is not None:
        from autopack.experiments.concluding import judge, weighed
        from autopack.experiments.design.registration import Registered
        from autopack.store.experiment_records import get_pairs, get_test

        registered = Registered.of(get_test(db, test))
        judged = judge(db, registered, weighed(get_pairs(db, test)))
        return read_pilot(judged.table, registered.protocol.primary)

    from autopack.experiments.recorded.from_runs import judge_pairs
    from autopack.experiments.recorded.matching import match_runs

    if not control or not treatment:
        raise BadInput(
            "both lists of runs are needed", field="control_runs", hint="name runs of both arms"
        )
    return read_pilot(judge_pairs(db, match_runs(db, control, treatment, varies=None)).table)


def _print(tokens: PowerPlan, plans: list[VerdictPlan], protocol: AnalysisProtocol) -> None:
    from autopack.experiments.report.tables import UNKNOWN, Table
    from autopack.experiments.statistics.sequential import MIN_PLANS

    first = plans[0]
    about = first.scenario
    unit = f"phases, {about.phases} a plan" if about.phases > 1 else "runs"
    out.print(
        f"If the SD of the log ratio is {about.sd:.3g}, success differs by "
        f"{100 * about.difference:+g} points and one arm alone succeeds in "
        f"{about.discordance:.0%} of {unit}:"
    )
    rows = [
        (
            f"{plan.scenario.ratio:g}",
            " or ".join(plan.goal),
            f"{plan.pairs:,}" if plan.pairs else UNKNOWN,
            UNKNOWN if plan.min_pairs is None else f"{plan.min_pairs:,}",
            plan.bottleneck,
            _tokens_alone(tokens, plan.scenario.ratio),
        )
        for plan in plans
    ]
    header = ("true ratio", "verdict", "pairs", "min_pairs", "bottleneck", "tokens alone")
    if not protocol.monitored:
        rows = [(*row[:3], *row[4:]) for row in rows]
        header = (*header[:3], *header[4:])
    title = f"Pairs for a chance of {first.target:.0%} of the whole verdict, one a plan"
    print_table(Table(title, header, tuple(rows)))
    for plan in plans:
        title = f"What comes of so many pairs at a true ratio of {plan.scenario.ratio:g}"
        names = _decisions_shown(plan)
        table = tuple(
            (f"{one.pairs:,}", *(f"{one.decisions.get(name, 0):.0%}" for name in names))
            for one in plan.by_pairs
        )
        print_table(Table(title, ("pairs", *names), table))
    out.print(
        f"\nA verdict needs at least {MIN_PLANS} plans. Equal success is shown within a margin of "
        f"{100 * protocol.ni_margin:g} points."
    )
    if tokens.pairs is not None and tokens.smallest_saving is None:
        out.print(f"{tokens.pairs} pairs can show nothing.")
    elif tokens.pairs is not None and tokens.smallest_saving is not None:
        out.print(
            f"With a chance of {tokens.power:.0%} {tokens.pairs:,} pairs show a saving of "
            f"{1 - tokens.smallest_saving:.1%} or more (ratio {tokens.smallest_saving:.3f}) by "
            "tokens alone."
        )


def _decisions_shown(plan: VerdictPlan) -> list[Decision]:
    """Decisions that come up in at least one of a hundred experiments of some size."""
    seen = {
        name for one in plan.by_pairs for name, chance in one.decisions.items() if chance >= 0.005
    }
    return sorted(seen, key=lambda name: (name not in plan.goal, name))


def _tokens_alone(tokens: PowerPlan, ratio: float) -> str:
    from autopack.experiments.report.tables import UNKNOWN

    pairs = tokens.pairs_for.get(ratio)
    return UNKNOWN if pairs is None else f"{pairs:,}"


def _tokens_json(plan: PowerPlan) -> dict[str, Any]:
    pairs_for = {f"{ratio:g}": pairs for ratio, pairs in plan.pairs_for.items()}
    return {**asdict(plan), "pairs_for": pairs_for}


def _json(plan: VerdictPlan) -> dict[str, Any]:
    axis: Literal["resources", "success"] = plan.bottleneck
    return {
        **asdict(plan.scenario),
        "goal": list(plan.goal),
        "target": plan.target,
        "pairs": plan.pairs,
        "min_pairs": plan.min_pairs,
        "bottleneck": axis,
        "by_pairs": [asdict(one) for one in plan.by_pairs],
    }
