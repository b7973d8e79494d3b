"""The Anthropic Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator

from autopack.testing.model_server.dialects.base import (
    Answer,
    Asked,
    Event,
    Json,
    arguments_of,
    cut,
    text_of,
)
from autopack.testing.model_server.model_script import Tokens

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicMessages:
    """``POST /v1/messages``. Its ``input_tokens`` exclude cache; ``output_tokens`` say it all."""

    name = "anthropic-messages"
    path = "/messages"

    def asked(self, body: Json, path: str) -> Asked:
        del path
        messages = body["messages"]
        blocks = [b for m in messages if isinstance(m["content"], list) for b in m["content"]]
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            user_text="\n".join(text_of(m["content"]) for m in messages if m["role"] == "user"),
            call_ids=tuple(b["id"] for b in blocks if b.get("type") == "tool_use"),
            tools={
                tool["name"]: arguments_of(tool.get("input_schema"))
                for tool in body.get("tools") or ()
            },
        )

    def sayable(self, tokens: Tokens) -> Tokens:
        return tokens.model_copy(update={"reasoning": 0})

    def answer(self, answer: Answer) -> Json:
        content = [{"type": "text", "text": answer.text}] if answer.text else []
        content += [
            {"type": "tool_use", "id": call_id, "name": call.name, "input": call.arguments}
            for call_id, call in answer.calls
        ]
        return _message(answer, content=content, reason=_reason(answer), usage=_usage(answer))

    def events(self, answer: Answer) -> Iterator[Event]:
        # As the real API, the stream opens with a placeholder of one output token.
        usage = _usage(answer) | {"output_tokens": 1}
        message = _message(answer, content=[], reason=None, usage=usage)
        yield _event("message_start", message=message)
        index = 0
        if answer.text:
            yield _event(
                "content_block_start", index=index, content_block={"type": "text", "text": ""}
            )
            for piece in cut(answer.text):
                delta = {"type": "text_delta", "text": piece}
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
            index += 1
        for call_id, call in answer.calls:
            block: Json = {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}
            yield _event("content_block_start", index=index, content_block=block)
            for piece in cut(json.dumps(call.arguments)):
                delta = {"type": "input_json_delta", "partial_json": piece}
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
            index += 1
        yield _event(
            "message_delta",
            delta={"stop_reason": _reason(answer), "stop_sequence": None},
            usage={"output_tokens": answer.tokens.output},
        )
        yield _event("message_stop")

    def error(self, status: int, message: str) -> Json:
        kind = _ERROR_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


def _event(name: str, **data: object) -> Event:
    return Event({"type": name, **data}, name)


def _reason(answer: Answer) -> str:
    return "tool_use" if answer.calls else "end_turn"


def _message(answer: Answer, *, content: list[Json], reason: str | None, usage: Json) -> Json:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def _usage(answer: Answer) -> Json:
    tokens = answer.tokens
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
    }
