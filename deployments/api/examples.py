"""Examples of answers, put into the OpenAPI document: what a reader of it sees of each route."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_FILE = Path(__file__).with_name("examples.json")
_PROBLEMS: dict[int, tuple[str, str, str | None, str | None]] = {
    400: ("bad_input", "invalid cursor: 'x'", "after", "use `next` of the page before"),
    401: ("unauthenticated", "this key is unknown, expired or revoked", "X-API-Key", None),
    403: ("forbidden", "this needs the scope run", None, None),
    404: ("not_found", "there is no run 'nightly-17'", "run_id", "autopack runs"),
    409: ("refused", "run nightly-17 waits for an answer", "run_id", "see its status"),
    413: ("bad_input", "the body is too large", "body", "send at most 4 MB"),
    415: ("unsupported_type", "text/plain is not taken here", "Content-Type", None),
    422: ("other_request", "this key came with another request before", "Idempotency-Key", None),
    429: ("too_many_tries", "too many failed sign-ins", None, "wait, and try again"),
    500: ("internal", "KeyError: see the log of this server", None, None),
    503: ("database", "the database cannot be used: it is locked", "DATABASE_URL", None),
}


def example_of_problem(status: int) -> dict[str, Any]:
    """Return a problem document of that status."""
    kind, detail, field, hint = _PROBLEMS[status]
    title = HTTPStatus(status).phrase
    said = {"status": status, "detail": detail, "kind": kind, "field": field, "hint": hint}
    return {"type": "about:blank", "title": title, **said}


@cache
def examples() -> dict[str, Any]:
    """Return an example of the answer of each route that answers JSON, by method and path."""
    return json.loads(_FILE.read_text(encoding="utf-8"))


def described(app: FastAPI) -> None:
    """Have the app's OpenAPI document show an example of each answer."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            whole = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            for name, example in examples().items():
                method, path = name.split(" ")
                _show(whole["paths"][path][method.lower()], example)
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = document


def _show(operation: dict[str, Any], example: object) -> None:
    for status, answer in cast("dict[str, dict[str, Any]]", operation["responses"]).items():
        content = answer.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None:
            content.setdefault("example", example)
