"""A model whose every call is allowed first and recorded after; needs the extra ``api``."""

from __future__ import annotations

import asyncio
from typing import Any, TextIO

import httpx
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.settings import ModelSettings

from autopack.agents.protocol import BuildRequest
from autopack.agents.spooled import read_calls, write_record


class BudgetSpent(Exception):
    """The build may make no further call."""


class Stalled(Exception):
    """A call was left without an answer."""


class RecordingModel(WrapperModel):
    """Writes what each call used to the spool as soon as it has ended.

    One that is without an answer after ``stall`` seconds raises Stalled.
    """

    def __init__(
        self,
        wrapped: Model,
        *,
        request: BuildRequest,
        spool: TextIO,
        provider: str,
        model: str,
        stall: float | None = None,
    ) -> None:
        super().__init__(wrapped)
        self._request, self._spool, self._stall = request, spool, stall
        self._names = {"provider": provider, "model": model}

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        made = read_calls(self._request.spool)
        reason = await asyncio.to_thread(self._request.refuse_call, made)
        if reason is not None:
            raise BudgetSpent(reason)
        limit = asyncio.timeout(self._stall)
        write_record(self._spool, {"asked": len(made) + 1})
        try:
            async with limit:
                response = await super().request(messages, model_settings, model_request_parameters)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Stalled(f"was silent for {self._stall:g} s") from None
        except ModelHTTPError as error:
            write_record(self._spool, {"refused": error.status_code})
            raise
        except ModelAPIError as error:
            if _never_arrived(error):
                write_record(self._spool, {"refused": None})
            raise
        usage = response.usage
        # Its input figure holds the cached tokens too.
        cached = usage.cache_read_tokens + usage.cache_write_tokens
        call: dict[str, object] = {
            **self._names,
            "input": max(usage.input_tokens - cached, 0),
            "cache_read": usage.cache_read_tokens,
            "cache_write": usage.cache_write_tokens,
            "output": usage.output_tokens,
        }
        if response.provider_response_id:
            call["response_id"] = response.provider_response_id
        write_record(self._spool, {"call": call})
        return response


def _never_arrived(error: BaseException | None) -> bool:
    """Return whether a call failed before anything was sent, so that it cost nothing."""
    while error is not None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return True
        error = error.__cause__ or error.__context__
    return False


def open_model(provider: str, model: str, *, key: str, base_url: str | None) -> Model:
    """Return the model of a provider as pydantic-ai knows it. Raises ValueError for an
    unknown one.
    """

    def connect(name: str) -> Provider[Any]:
        options: dict[str, Any] = {"api_key": key}
        if base_url:
            options["base_url"] = base_url
        return infer_provider_class(name)(**options)

    return infer_model(f"{provider}:{model}", provider_factory=connect)
