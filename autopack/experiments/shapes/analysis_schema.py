"""The published shape of an analysis: one JSON object, unknown numbers are null.

``analysis.schema.json`` beside this file is its JSON Schema; ``python -m
autopack.experiments.shapes.analysis_schema`` writes it again after a change here.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from autopack.experiments.shapes.matrix import Decision, ResourceAxis, SuccessAxis

SCHEMA_VERSION = 2
SCHEMA_FILE = Path(__file__).with_name("analysis.schema.json")


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedInterval(_Shape):
    """The 95% interval of the ratio; ``anytime`` when it may be read while pairs still run."""

    lo: Number
    hi: Number
    level: float
    kind: Literal["fixed", "anytime"]


class Range(_Shape):
    """An interval without a level of its own."""

    lo: Number
    hi: Number


class HodgesLehmannResult(_Shape):
    """The pseudo-median ratio, a sensitivity check."""

    ratio: Number
    lo: Number
    hi: Number
    achieved_confidence: Number


class NextStep(_Shape):
    """What would settle what is open.

    ``further_pairs`` settle both axes with a chance of 80% if things stay as they were seen,
    ``resource_pairs`` and ``success_pairs`` one of them: 0 where it is settled, null where no
    number below ten thousand will, or where there is no estimate yet.
    """

    text: str
    further_pairs: int | None
    resource_pairs: int | None
    success_pairs: int | None


class CostOfSuccess(_Shape):
    """The resource of all runs over the runs that succeed; ``ratio`` is treatment / control.

    ``lo`` and ``hi`` are the 95% jackknife t interval over plans, ``bootstrap`` is a percentile
    interval over plans, ``fieller`` the interval of sums where every run succeeded.
    ``per_further_success`` is what the treatment spends more for each success it has more.
    """

    ratio: Number
    lo: Number
    hi: Number
    control: Number
    treatment: Number
    per_further_success: Number
    bootstrap: Range
    fieller: Range | None


class BothSucceeded(_Shape):
    """The ratio over the pairs in which both arms succeeded, a sensitivity line."""

    n: int
    ratio: Number
    lo: Number
    hi: Number


class EarlierRuns(_Shape):
    """Earlier control runs that were declared to count; ``variance`` is what they left of it.

    ``drift`` is earlier over fresh controls; ``why_not`` says why they were not used.
    """

    used: bool
    plans: int
    runs: int
    drift: Number
    p: Number
    variance: Number
    why_not: str | None


class EarlyEnds(_Shape):
    """Runs that failed with less than half of their partner's resource.

    ``ratio_without`` is the geometric mean ratio without their pairs.
    """

    control: int
    treatment: int
    ratio_without: Number


class SuccessInterval(_Shape):
    """The difference in success that decided, with the interval that decided about it."""

    endpoint: Literal["runs", "phases"]
    declared: bool
    diff: Number
    lo: Number
    hi: Number


class Errors(_Shape):
    """How often each statement may be false under its own null.

    ``resource_side``: fewer, and more; ``success_side``: higher, and lower by the margin;
    ``margin``: maintained, and the same on each side. A monitored experiment spends ``looks`` and
    ``last_look`` of twice ``resource_side``, and of ``success_side`` ``loss_looks`` on ending early
    because success is lost.
    """

    resource_side: float
    success_side: float
    margin: float
    looks: Number
    last_look: Number
    loss_looks: Number = None


class Success(_Shape):
    """Success of whole runs: n10 counts pairs where only control succeeded, n01 only treatment."""

    n11: int
    n10: int
    n01: int
    n00: int
    diff: Number
    tango_lo: Number
    tango_hi: Number
    mid_p: Number


class PhaseFraction(_Shape):
    """Phase completion, treatment minus control, with its one-sided 95% lower limits.

    ``lower`` is a t limit over plans; ``score_lower`` is Tango's over single phases (whole runs
    where success stands in), null where their outcomes are unknown.
    """

    diff: Number
    lower: Number
    score_lower: Number


class Secondary(_Shape):
    """A secondary metric of ``n`` plans; ``offset`` was added to both arms because of zeros."""

    metric: str
    ratio: Number
    lo: Number
    hi: Number
    p: Number
    p_holm: Number
    n: int
    offset: float


class PowerResult(_Shape):
    """Plans that another experiment as noisy as this one needs, by true ratio."""

    sd_used: Number
    pairs_for: dict[str, int | None]


class ArmDescription(_Shape):
    """Tokens of one arm over valid pairs; ``sd`` has ddof 1."""

    mean: Number
    median: Number
    sd: Number
    total: Number


class Description(_Shape):
    """Description, never evidence. ``delta`` is treatment minus control of each pair."""

    control: ArmDescription
    treatment: ArmDescription
    delta: ArmDescription
    percent_change: Number


class ExposureResult(_Shape):
    """In how many of ``pairs`` a part of the treatment acted; ``unknown`` more do not tell."""

    treatment: str
    acted: int
    unknown: int
    pairs: int


class PairRuns(_Shape):
    """The runs of a pair and their judgement; ``errors`` say why it is void.

    ``exposure`` says of each part of the treatment that can be looked up whether it acted.
    """

    control_run_id: str
    treatment_run_id: str
    is_valid: bool
    warnings: list[str]
    errors: list[str]
    exposure: dict[str, bool | None] = Field(default_factory=dict)


class Metadata(_Shape):
    """What the runs of an experiment started from."""

    commit_sha: str | None
    repo_url: str | None
    branch: str | None
    model_mapping_hash: dict[str, str | None]
    feature_hash: dict[str, str | None]
    environment_hash: str | None
    autopack_version: str | None
    operator: str | None
    timestamp: datetime | None


class PairResult(_Shape):
    """One pair as it was given; ``void`` says why it does not count.

    ``runs`` is null where the pair is not of recorded runs.
    """

    pair: str
    plan: str
    control_tokens: Number
    treatment_tokens: Number
    ratio: Number
    percent_change: Number
    control_success: bool
    treatment_success: bool
    control_phase_fraction: Number
    treatment_phase_fraction: Number
    first: str | None
    void: str | None
    control_metrics: dict[str, Number] = Field(default_factory=dict)
    treatment_metrics: dict[str, Number] = Field(default_factory=dict)
    runs: PairRuns | None = None


class Analysis(_Shape):
    """Everything known about an experiment.

    ``n_pairs`` and ``n_plans`` count what was analysed, ``n_void`` comes on top. ``sd_log``,
    ``t`` and ``p_*`` are over plan means of ln(treatment / control). ``stopped_at`` counts
    valid pairs. ``hodges_lehmann``, ``wilcoxon_p`` and ``description`` decide nothing.
    """

    schema_version: int = SCHEMA_VERSION
    test_id: str
    input_hash: str = Field(description="SHA-256 of the pairs and the declared choices.")
    protocol_hash: str
    decision: Decision
    also_holds: list[Decision] = Field(
        default_factory=list[Decision],
        description="Weaker decisions that hold whenever this one does.",
    )
    primary: Literal["tokens", "cost"] = "tokens"
    resource_axis: ResourceAxis = Field(
        default=ResourceAxis.UNCLEAR, description="What is shown of the primary resource."
    )
    success_axis: SuccessAxis = Field(
        default=SuccessAxis.UNCLEAR, description="What is shown of success."
    )
    rules_out: list[str] = Field(
        default_factory=list[str], description="What the 95% intervals exclude."
    )
    next: NextStep | None = None
    totals_clause: str | None = Field(
        default=None, description="Set where totals and geometric mean contradict each other."
    )
    errors: Errors | None = None
    reasons: list[str]
    sentence: str
    warnings: list[str]
    seed: int
    n_pairs: int
    n_plans: int
    n_void: int
    void_reasons: dict[str, int]
    gmr: Number
    ci: ReportedInterval
    t: Number
    df: int | None
    p_t: Number
    p_signflip: Number
    p_signflip_less: Number
    skew_interval: Range | None = Field(
        default=None,
        description="The interval of the ratio corrected for skewness (Hall 1992), which has to "
        "exclude 1, too.",
    )
    sd_log: Number
    icc: Number
    hodges_lehmann: HodgesLehmannResult
    wilcoxon_p: Number
    ratio_of_totals: Number
    ratio_of_totals_ci: Range
    tokens_per_success_ratio: Number
    cost_per_success: CostOfSuccess | None = Field(
        default=None, description="Of the primary resource: the declared co-primary figure."
    )
    both_succeeded: BothSucceeded | None = None
    early_endings: EarlyEnds | None = None
    earlier_controls: EarlierRuns | None = None
    e_value: Number
    e_bet: Number
    lost_at: int | None = Field(
        default=None,
        description="After how many valid pairs monitoring showed that success is lost.",
    )
    stopped_at: int | None
    monitored: bool = Field(
        default=False, description="Whether results were looked at while pairs were running."
    )
    max_pairs: int | None
    success: Success
    success_interval: SuccessInterval | None = None
    phase_fraction: PhaseFraction
    ni_margin: float
    ni_shown: bool
    equivalence: Range = Field(
        description="What has to lie within 1/1.1 to 1.1 for the same: t limits at "
        "the level of the margin, and those corrected for skewness, whichever are wider."
    )
    outlier_warning: bool
    secondary: list[Secondary]
    power: PowerResult
    description: Description
    metric_descriptions: dict[str, Description] = Field(
        default_factory=dict, description="Of each further metric, over the pairs that have it."
    )
    arm_order: dict[str, int]
    pairs: list[PairResult]
    pairs_omitted: int = Field(
        default=0, description="How many pairs after those listed are in every other figure."
    )
    metadata: Metadata | None = None
    exposure: list[ExposureResult] = Field(
        default_factory=list[ExposureResult],
        description="Whether the treatment acted, over the pairs that count.",
    )
    finished: bool | None = Field(
        default=None, description="Whether a registered experiment takes no further pair."
    )
    stop_reason: str | None = None


def json_schema() -> str:
    """Return the JSON Schema of an analysis, as text."""
    schema = Analysis.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8", newline="\n")
