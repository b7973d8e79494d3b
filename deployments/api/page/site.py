"""The page as an application of its own, mounted into the API: its parts, its errors, its rules."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from autopack.model.errors import AutopackError
from autopack.secrecy.credentials import environment_secrets
from autopack.secrecy.redaction import Redactor
from deployments.api.page import live
from deployments.api.page.pages import (
    account_page,
    actions_page,
    attempt_page,
    campaigns_page,
    experiments_page,
    health_page,
    overview_page,
    patterns_page,
    pauses_page,
    run_page,
    runs_page,
    sign_in_page,
)
from deployments.api.page.rendering import at, page
from deployments.api.page.visitors import SignInFirst
from deployments.api.problems import status_of
from deployments.api.service import Service

ROUTERS = tuple(
    module.router
    for module in (
        sign_in_page,
        overview_page,
        runs_page,
        run_page,
        attempt_page,
        actions_page,
        pauses_page,
        experiments_page,
        patterns_page,
        campaigns_page,
        health_page,
        account_page,
        live,
    )
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, and no other site around it."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_page(service: Service) -> FastAPI:
    """Return the page over the database of a service."""
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    site.state.service = service
    site.add_middleware(Guarded)
    site.add_exception_handler(SignInFirst, _sign_in_first)
    site.add_exception_handler(AutopackError, _of_autopack)
    site.add_exception_handler(RequestValidationError, _of_validation)
    site.add_exception_handler(HTTPException, _of_http)
    site.add_exception_handler(Exception, _unexpected)
    for router in ROUTERS:
        site.include_router(router)
    site.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), "static")
    return site


class Guarded:
    """Adds to every answer what browsers are to allow: nothing but this page's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def guard(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                # A page holds what its visitor may see: no cache keeps it, nor after signing out.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, guard)


def _sign_in_first(_: Request, error: Exception) -> Response:
    assert isinstance(error, SignInFirst)  # noqa: S101 - the handler is registered for it
    return RedirectResponse(sign_in_page.address(error.wanted), 303)


def _of_autopack(request: Request, error: Exception) -> Response:
    assert isinstance(error, AutopackError)  # noqa: S101 - the handler is registered for it
    redact = Redactor(environment_secrets(request.app.state.service.environ)).text
    return _failed(
        status_of(error),
        redact(error.message),
        field=error.field,
        hint=redact(error.hint) if error.hint else None,
    )


def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"] if each not in ("query", "path", "body"))
    return _failed(400, str(first["msg"]), field=where or None)


def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return _failed(error.status_code, str(error.detail))


def _unexpected(_: Request, error: Exception) -> Response:
    return _failed(500, f"{type(error).__name__}: see the log of this server")


def _failed(
    status: int, message: str, *, field: str | None = None, hint: str | None = None
) -> Response:
    return page(
        "problem.html",
        status=status,
        visitor=None,
        here=None,
        code=status,
        message=message,
        field=field,
        hint=hint,
        home=at(""),
    )
