"""What an experiment declares about its analysis before the first pair."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Choices that came later; at their defaults they leave the digest of older protocols as it was.
_LATER = (
    "primary",
    "success_endpoint",
    "margin_alpha",
    "min_pairs",
    "earlier_days",
    "replicated_others",
)


# What any statement may be wrong, a side. With it "within the margin" is checked exactly, too.
STRICT = 0.025
# Of a margin of success: to show less takes more pairs than anybody runs.
LEAST_MARGIN = 0.001


class AnalysisProtocol(BaseModel):
    """The declared choices of an analysis; everything else is fixed by the procedure.

    ``max_pairs`` counts every pair that is started, void ones too, so that voids cannot prolong
    an experiment. It is needed when ``monitored``: the last look is taken there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ni_margin: float = Field(
        default=0.10,
        gt=0,
        lt=1,
        description="How much lower phase completion may be and still count as maintained.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of sign flips and bootstrap.")
    monitored: bool = Field(
        default=False, description="Whether results were looked at while pairs were running."
    )
    max_pairs: int | None = Field(default=None, ge=1, description="Pairs planned at most.")
    min_pairs: int | None = Field(
        default=None,
        ge=1,
        description="Monitoring ends nothing before so many valid pairs, however clear the "
        "resources are: success needs them. Known beforehand, it bends no error rate.",
    )
    metrics: tuple[str, ...] | None = Field(
        default=None,
        description="Secondary metrics declared beforehand; default: all in the table.",
    )
    primary: Literal["tokens", "cost"] = Field(
        default="tokens", description="What the resource axis compares."
    )
    success_endpoint: Literal["runs", "phases"] | None = Field(
        default=None,
        description="What decides about success: whole runs, or the share of phases completed. "
        "Phases where they are known when absent.",
    )
    margin_alpha: float = Field(
        default=STRICT,
        gt=0,
        le=0.05,
        description="How often 'within the margin' may be claimed falsely: success maintained, "
        "resources the same on either side. 0.05 is the usual, weaker convention of "
        "non-inferiority, and holds only approximately.",
    )

    earlier_days: float | None = Field(
        default=None,
        gt=0,
        description="How old control runs of the same plans may be to count as further controls; "
        "none count when absent.",
    )

    replicated_others: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Plans whose first pair is discordant are run again, others with this chance; "
        "no rule adds replicates when absent. max_pairs counts first pairs then.",
    )

    @model_validator(mode="after")
    def _monitoring_has_an_end(self) -> Self:
        if self.monitored and self.max_pairs is None:
            raise ValueError("a monitored experiment needs max_pairs")
        if self.min_pairs is not None and self.min_pairs > (self.max_pairs or self.min_pairs):
            raise ValueError("min_pairs is more than max_pairs")
        return self

    def hash(self) -> str:
        """Return a digest that changes whenever a declared choice does."""
        said = self.model_dump(mode="json")
        for name in _LATER:
            if said[name] == type(self).model_fields[name].default:
                del said[name]
        text = json.dumps(said, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
