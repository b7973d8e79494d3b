"""The OpenAI Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

from autopack.testing.model_server.dialects.base import (
    Answer,
    Asked,
    Event,
    Json,
    arguments_of,
    cut,
    text_of,
)
from autopack.testing.model_server.dialects.chat import openai_error
from autopack.testing.model_server.model_script import Tokens


class Responses:
    """``POST /v1/responses``. Its ``input_tokens`` include cache."""

    name = "openai-responses"
    path = "/responses"

    def asked(self, body: Json, path: str) -> Asked:
        del path
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        calls = ("function_call", "custom_tool_call")
        return Asked(
            model=body["model"],
            stream=bool(body.get("stream")),
            user_text="\n".join(
                text_of(item.get("content")) for item in items if item.get("role") == "user"
            ),
            call_ids=tuple(item["call_id"] for item in items if item.get("type") in calls),
            tools={
                tool["name"]: arguments_of(tool.get("parameters"))
                for tool in body.get("tools") or ()
                if "name" in tool
            },
        )

    def sayable(self, tokens: Tokens) -> Tokens:
        return tokens

    def answer(self, answer: Answer) -> Json:
        return _response(answer, "completed", _items(answer))

    def events(self, answer: Answer) -> Iterator[Event]:
        numbers = count()

        def event(name: str, **data: object) -> Event:
            return Event({"type": name, "sequence_number": next(numbers), **data}, name)

        yield event("response.created", response=_response(answer, "in_progress", []))
        items = _items(answer)
        for index, item in enumerate(items):
            place: Json = {"item_id": item["id"], "output_index": index}
            if item["type"] == "message":
                part = item["content"][0]
                begun: Json = {**item, "status": "in_progress", "content": []}
                yield event("response.output_item.added", output_index=index, item=begun)
                yield event(
                    "response.content_part.added",
                    **place,
                    content_index=0,
                    part=part | {"text": ""},
                )
                for piece in cut(answer.text):
                    yield event("response.output_text.delta", **place, content_index=0, delta=piece)
                yield event("response.output_text.done", **place, content_index=0, text=answer.text)
                yield event("response.content_part.done", **place, content_index=0, part=part)
            else:
                yield event(
                    "response.output_item.added",
                    output_index=index,
                    item=item | {"status": "in_progress", "arguments": ""},
                )
                for piece in cut(item["arguments"]):
                    yield event("response.function_call_arguments.delta", **place, delta=piece)
                yield event(
                    "response.function_call_arguments.done", **place, arguments=item["arguments"]
                )
            yield event("response.output_item.done", output_index=index, item=item)
        yield event("response.completed", response=_response(answer, "completed", items))

    def error(self, status: int, message: str) -> Json:
        return openai_error(status, message)


def _items(answer: Answer) -> list[Json]:
    items: list[Json] = []
    if answer.text:
        part: Json = {"type": "output_text", "text": answer.text, "annotations": []}
        items.append(
            {
                "id": f"msg_{answer.id}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    items += [
        {
            "id": f"fc_{call_id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": call.name,
            "arguments": json.dumps(call.arguments),
        }
        for call_id, call in answer.calls
    ]
    return items


def _response(answer: Answer, status: str, items: list[Json]) -> Json:
    tokens = answer.tokens
    usage = {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": tokens.cache_write,
        },
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total,
    }
    return {
        "id": answer.id,
        "object": "response",
        "created_at": 0,
        "status": status,
        "model": answer.model,
        "output": items,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "usage": usage if status == "completed" else None,
    }
