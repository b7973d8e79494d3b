"""What the answers of a model say that they cost, in the terms of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autopack.model.calls import ModelCall

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage


def answered_calls(
    messages: Sequence[ModelMessage], *, provider: str | None = None, model: str | None = None
) -> tuple[ModelCall, ...]:
    """Return one call a response; ``provider`` and ``model`` stand where one names none itself."""
    from pydantic_ai.messages import ModelResponse

    calls: list[ModelCall] = []
    for message in messages:
        if not isinstance(message, ModelResponse):
            continue
        usage = message.usage
        read, write = usage.cache_read_tokens, usage.cache_write_tokens
        new = max(usage.input_tokens - read - write, 0)
        calls.append(
            ModelCall(
                provider=provider or message.provider_name or "unknown",
                model=message.model_name or model or "unknown",
                input=new,
                cache_read=read,
                cache_write=write,
                output=usage.output_tokens,
                reasoning=min(usage.details.get("reasoning_tokens", 0), usage.output_tokens),
                total=new + read + write + usage.output_tokens,
                response_id=message.provider_response_id,
            )
        )
    return tuple(calls)
