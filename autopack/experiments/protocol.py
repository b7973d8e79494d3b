"""What an experiment declares about its analysis before the first pair."""

from __future__ import annotations

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    metrics: tuple[str, ...] | None = Field(
        default=None,
        description="Secondary metrics declared beforehand; all in the table when absent.",
    )

    @model_validator(mode="after")
    def _monitoring_has_an_end(self) -> Self:
        if self.monitored and self.max_pairs is None:
            raise ValueError("a monitored experiment needs max_pairs")
        return self

    def hash(self) -> str:
        """A digest that changes whenever a declared choice does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
