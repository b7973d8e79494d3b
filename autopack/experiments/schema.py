"""The published shape of an analysis: one JSON object, unknown numbers are null.

``analysis.schema.json`` beside this file is its JSON Schema; ``python -m
autopack.experiments.schema`` writes it again after a change here.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from autopack.experiments.verdict import Decision

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("analysis.schema.json")


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReportedInterval(_Shape):
    """The 95 % interval of the ratio; ``anytime`` when it may be read while pairs still run."""

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
    """Phase completion, treatment minus control, with its one-sided 95 % lower limits.

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


class PairRuns(_Shape):
    """The runs of a pair and their judgement; ``errors`` say why it is void."""

    control_run_id: str
    treatment_run_id: str
    is_valid: bool
    warnings: list[str]
    errors: list[str]


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
    sd_log: Number
    icc: Number
    hodges_lehmann: HodgesLehmannResult
    wilcoxon_p: Number
    ratio_of_totals: Number
    ratio_of_totals_ci: Range
    tokens_per_success_ratio: Number
    e_value: Number
    e_bet: Number
    stopped_at: int | None
    max_pairs: int | None
    success: Success
    phase_fraction: PhaseFraction
    ni_margin: float
    ni_shown: bool
    equivalence: Range = Field(description="90 % t interval; EQUIVALENT within 1/1.1 to 1.1.")
    outlier_warning: bool
    secondary: list[Secondary]
    power: PowerResult
    description: Description
    arm_order: dict[str, int]
    pairs: list[PairResult]
    metadata: Metadata | None = None


def json_schema() -> str:
    """The JSON Schema of an analysis, as text."""
    schema = Analysis.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8", newline="\n")
