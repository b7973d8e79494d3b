"""Errors as problem documents (RFC 9457) with Autopack's own kind, field and hint."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from autopack.access.sign_ins import TooManyTries
from autopack.model.errors import AutopackError, BadInput
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor

MEDIA_TYPE = "application/problem+json"

_STATUS_OF_KIND = {
    "bad_token": 401,
    "database": 503,
    "forbidden": 403,
    "illegal_transition": 409,
    "lease_lost": 409,
    "not_found": 404,
    "other_request": 422,
    "refused": 409,
    "run_held": 409,
    "still_running": 409,
    "switched_off": 409,
    "too_many_tries": 429,
    "unauthenticated": 401,
    "unsupported_type": 415,
    "work_failed": 500,
    "git": 500,
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "kind"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "hint": {"type": ["string", "null"]},
    },
}


class UnsupportedType(BadInput):
    """What was sent is not JSON."""

    kind = "unsupported_type"


class Unauthenticated(AutopackError):
    """Nobody is known to make this request."""

    kind = "unauthenticated"


def status_of(error: AutopackError) -> int:
    """Return the HTTP status of an error: 400 for what the caller can correct."""
    return _STATUS_OF_KIND.get(error.kind, 400)


_LONGEST = 2_000
_OPTIONS = {"--enable": "features", "--disable": "features", "--set": "builder_options"}
_FIELDS = _OPTIONS | {"set": "builder_options"}
# As pydantic names them where a field may be one of several.
_TYPES = ("str", "int", "float", "bool", "dict[str,any]", "dict[str,str]")


def problem(status: int, kind: str, detail: str, **more: Any) -> JSONResponse:
    """Return a problem document; ``headers`` apart, ``more`` are its further members."""
    headers = more.pop("headers", None)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail if len(detail) <= _LONGEST else f"{detail[:_LONGEST]}…",
        "kind": kind,
        "field": None,
        "hint": None,
    }
    return JSONResponse(body | more, status, headers=headers, media_type=MEDIA_TYPE)


def answer_errors(app: FastAPI) -> None:
    """Have the app answer every error with a problem document, and none with a traceback."""
    app.add_exception_handler(AutopackError, _of_autopack)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _unexpected)


def _of_autopack(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AutopackError)  # noqa: S101 - the handler is registered for it
    status = status_of(error)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="autopack"'
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.retry_after)
    redact = Redactor(environment_secrets(request.app.state.service.environ)).text
    return problem(
        status,
        error.kind,
        redact(_as_sent(error.message)),
        field=_FIELDS.get(error.field or "", error.field),
        hint=error.hint and redact(_as_sent(error.hint)),
        headers=headers,
    )


def _as_sent(text: str) -> str:
    """Return a sentence with the fields of a body for the options of the command line."""
    for option, field in _OPTIONS.items():
        text = text.replace(f"{option} ", f"{field} ").replace(f"{option}:", f"{field}:")
    return text


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    # The value itself may be a secret: it is not repeated.
    said = str(first["msg"]).removeprefix("Value error, ")
    return problem(400, "bad_input", said, field=_field(first["type"], first["loc"]))


def _field(kind: str, where: Sequence[str | int]) -> str:
    """Return the field that a validation names, as the caller calls it."""
    place, *names = where
    if kind == "json_invalid" or not names:
        return str(place)
    if len(names) > 1 and names[-1] in _TYPES:
        names = names[:-1]  # which of the types that a field may have
    return ".".join(map(str, names))


def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    kind = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "bad_input"
    said, field, hint = str(error.detail), "body", None
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            said, field = f"there is no {request.url.path} here", "path"
            hint = "GET /openapi.json lists what there is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "another method")
            said, field, hint = f"{request.method} is not for this path", "method", f"use {allowed}"
        case _:
            pass
    return problem(error.status_code, kind, said, headers=error.headers, field=field, hint=hint)


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    return problem(500, "internal", f"{type(error).__name__}: see the log of this server")
