"""The OpenAI Chat Completions API, which most compatible servers speak."""

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


class ChatCompletions:
    """``POST /v1/chat/completions``. Its ``prompt_tokens`` include cache."""

    name = "openai-chat"
    path = "/chat/completions"

    def asked(self, body: Json, path: str) -> Asked:
        del path
        messages = body["messages"]
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            user_text="\n".join(text_of(m.get("content")) for m in messages if m["role"] == "user"),
            call_ids=tuple(call["id"] for m in messages for call in m.get("tool_calls") or ()),
            tools={
                tool["function"]["name"]: arguments_of(tool["function"].get("parameters"))
                for tool in body.get("tools") or ()
            },
        )

    def sayable(self, tokens: Tokens) -> Tokens:
        return tokens.model_copy(
            update={"input": tokens.input + tokens.cache_write, "cache_write": 0}
        )

    def answer(self, answer: Answer) -> Json:
        calls = [_call(call_id, call.name, call.arguments) for call_id, call in answer.calls]
        message = {"role": "assistant", "content": answer.text or None}
        return {
            **_head(answer, "chat.completion"),
            "choices": [
                {
                    "index": 0,
                    "message": message | ({"tool_calls": calls} if calls else {}),
                    "finish_reason": _reason(answer),
                }
            ],
            "usage": _usage(answer),
        }

    def events(self, answer: Answer) -> Iterator[Event]:
        head = _head(answer, "chat.completion.chunk")

        def chunk(delta: Json, reason: str | None = None) -> Event:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return Event(head | {"choices": [choice], "usage": None})

        yield chunk({"role": "assistant", "content": ""})
        for piece in cut(answer.text):
            yield chunk({"content": piece})
        for index, (call_id, call) in enumerate(answer.calls):
            opening = {"index": index, **_call(call_id, call.name, None)}
            yield chunk({"tool_calls": [opening]})
            for piece in cut(json.dumps(call.arguments)):
                more = {"index": index, "function": {"arguments": piece}}
                yield chunk({"tool_calls": [more]})
        yield chunk({}, _reason(answer))
        # The usage comes apart, in a last chunk without choices.
        yield Event(head | {"choices": [], "usage": _usage(answer)})
        yield Event("[DONE]")

    def error(self, status: int, message: str) -> Json:
        return openai_error(status, message)


def openai_error(status: int, message: str) -> Json:
    """Return the error object that both OpenAI APIs share."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _head(answer: Answer, kind: str) -> Json:
    return {"id": answer.id, "object": kind, "created": 0, "model": answer.model}


def _reason(answer: Answer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _call(call_id: str, name: str, arguments: Json | None) -> Json:
    text = "" if arguments is None else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def _usage(answer: Answer) -> Json:
    tokens = answer.tokens
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
