"""Google's Gemini API, as `generateContent` and `streamGenerateContent`."""

from __future__ import annotations

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

_WHOLE, _STREAM = ":generateContent", ":streamGenerateContent"


class GeminiContent:
    """``POST /v1beta/models/MODEL:generateContent``. Its ``promptTokenCount`` includes cache,
    its ``candidatesTokenCount`` excludes thoughts.
    """

    name = "gemini"
    path = (_WHOLE, _STREAM)

    def asked(self, body: Json, path: str) -> Asked:
        contents = body["contents"]
        parts = [part for content in contents for part in content.get("parts") or ()]
        declared = [
            one
            for tool in body.get("tools") or ()
            for one in tool.get("functionDeclarations") or ()
        ]
        return Asked(
            model=path.rpartition("/")[2].partition(":")[0],
            stream=path.endswith(_STREAM),
            user_text="\n".join(
                text_of(content.get("parts"))
                for content in contents
                if content.get("role") == "user"
            ),
            call_ids=tuple(
                part["functionCall"]["id"] for part in parts if "id" in part.get("functionCall", ())
            ),
            tools={
                one["name"]: arguments_of(one.get("parametersJsonSchema") or one.get("parameters"))
                for one in declared
            },
        )

    def sayable(self, tokens: Tokens) -> Tokens:
        return tokens.model_copy(
            update={"input": tokens.input + tokens.cache_write, "cache_write": 0}
        )

    def answer(self, answer: Answer) -> Json:
        text = [{"text": answer.text}] if answer.text else []
        return _chunk(answer, [*text, *_calls(answer)], ends=True)

    def events(self, answer: Answer) -> Iterator[Event]:
        for piece in cut(answer.text):
            yield Event(_chunk(answer, [{"text": piece}]))
        yield Event(_chunk(answer, _calls(answer), ends=True))

    def error(self, status: int, message: str) -> Json:
        kinds = {
            400: "INVALID_ARGUMENT",
            401: "UNAUTHENTICATED",
            429: "RESOURCE_EXHAUSTED",
            503: "UNAVAILABLE",
        }
        kind = kinds.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": kind}}


def _calls(answer: Answer) -> list[Json]:
    return [
        {"functionCall": {"id": call_id, "name": call.name, "args": call.arguments}}
        for call_id, call in answer.calls
    ]


def _chunk(answer: Answer, parts: list[Json], *, ends: bool = False) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}}
    said: Json = {"candidates": [candidate], "modelVersion": answer.model, "responseId": answer.id}
    if ends:
        candidate["finishReason"] = "STOP"
        said["usageMetadata"] = _usage(answer.tokens)
    return said


def _usage(tokens: Tokens) -> Json:
    return {
        "promptTokenCount": tokens.prompt,
        "cachedContentTokenCount": tokens.cache_read,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.total,
    }
