"""Errors as problem documents (RFC 9457) with Autopack's own kind, field and hint."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from autopack.access.sign_ins import TooManyTries
from autopack.model.errors import AutopackError
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


class Unauthenticated(AutopackError):
    """Nobody is known to make this request."""

    kind = "unauthenticated"


def status_of(error: AutopackError) -> int:
    """Return the HTTP status of an error: 400 for what the caller can correct."""
    return _STATUS_OF_KIND.get(error.kind, 400)


def problem(status: int, kind: str, detail: str, **more: Any) -> JSONResponse:
    """Return a problem document; ``headers`` apart, ``more`` are its further members."""
    headers = more.pop("headers", None)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
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
        redact(error.message),
        field=error.field,
        hint=error.hint and redact(error.hint),
        headers=headers,
    )


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    # The value itself may be a secret: it is not repeated.
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    return problem(400, "bad_input", first["msg"], field=".".join(where) or None)


def _of_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    kind = "not_found" if error.status_code == HTTPStatus.NOT_FOUND else "bad_input"
    return problem(error.status_code, kind, str(error.detail), headers=error.headers)


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    return problem(500, "internal", f"{type(error).__name__}: see the log of this server")
