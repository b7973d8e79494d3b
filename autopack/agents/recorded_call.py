"""A model call as spools and recordings write it down."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autopack.model.calls import (
    MOST_TOKENS,
    ModelCall,
)

Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS, strict=True)]


class RecordedCall(BaseModel):
    """One model call: either the split, or only ``total``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    """Who was paid."""
    model: str
    """The model that answered."""
    input: Tokens | None = None
    """Input tokens without cached ones."""
    cache_read: Tokens | None = None
    """Input tokens read from the cache."""
    cache_write: Tokens | None = None
    """Input tokens written to the cache."""
    cache_write_1h: Tokens | None = None
    """The part of `cache_write` that lasts an hour."""
    output: Tokens | None = None
    """Output tokens, reasoning included."""
    reasoning: Tokens | None = None
    """The part of `output` that is reasoning."""
    total: Tokens | None = None
    """All tokens, in place of the others, where the split is unknown."""
    response_id: str | None = None
    """The provider's id of the answer."""

    @model_validator(mode="after")
    def _split_or_total(self) -> RecordedCall:
        split = (
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.output,
            self.reasoning,
        )
        if self.total is None and None in (self.input, self.output):
            raise ValueError("a call needs input and output, or total")
        if self.total is not None and any(part is not None for part in split):
            raise ValueError("a call has either a split or a total, not both")
        if (self.reasoning or 0) > (self.output or 0) and self.total is None:
            raise ValueError("reasoning is part of the output and cannot exceed it")
        if (self.cache_write_1h or 0) > (self.cache_write or 0):
            raise ValueError("cache_write_1h is part of cache_write and cannot exceed it")
        return self

    def as_model_call(self) -> ModelCall:
        """Return the call in the terms of the ledger; an absent cache or reasoning figure is 0."""
        if self.total is not None:
            return ModelCall(
                provider=self.provider,
                model=self.model,
                total=self.total,
                response_id=self.response_id,
            )
        new, read = self.input or 0, self.cache_read or 0
        write, output = self.cache_write or 0, self.output or 0
        return ModelCall(
            provider=self.provider,
            model=self.model,
            input=new,
            cache_read=read,
            cache_write=write,
            output=output,
            reasoning=self.reasoning or 0,
            total=new + read + write + output,
            response_id=self.response_id,
            cache_write_1h=self.cache_write_1h,
        )
