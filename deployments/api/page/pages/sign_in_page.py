"""Signing in and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from autopack.access import audit
from autopack.access.audit import Deed
from autopack.access.scopes import Principal
from autopack.access.sessions import end_session, form_token, open_session
from autopack.access.sign_ins import TooManyTries
from deployments.api.callers import address_of
from deployments.api.page.rendering import BASE, at, page
from deployments.api.page.visitors import (
    SESSION_COOKIE,
    VISIT_COOKIE,
    PostedOf,
    SentFields,
    check_form,
    keep,
    own_path,
    visit,
)
from deployments.api.service import Service, ServiceOf
from deployments.api.signing_in import sign_in

router = APIRouter()


def address(wanted: str | None) -> str:
    """Return where to sign in, and then go on to what was wanted."""
    return at("sign-in") + (f"?next={quote(wanted, safe='')}" if wanted else "")


@router.get("/sign-in")
def ask(
    request: Request, service: ServiceOf, wanted: Annotated[str | None, Query(alias="next")] = None
) -> Response:
    """Show the form."""
    return _form(request, service, wanted)


@router.post("/sign-in")
def enter(fields: SentFields, request: Request, service: ServiceOf) -> Response:
    """Open a session, or show the form again; alike for an unknown name and a wrong password."""
    check_form(service, request.cookies.get(VISIT_COOKIE, ""), fields.get("csrf", ""))
    wanted, name = fields.get("next"), fields.get("name", "")[:256]
    try:
        account = sign_in(service.db, name, fields.get("password", "")[:4096], address_of(request))
    except TooManyTries as error:
        answer = _form(request, service, wanted, name=name, failed=error.message, hint=error.hint)
        answer.status_code = 429
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if account is None:
        answer = _form(
            request,
            service,
            wanted,
            name=name,
            failed="wrong name or password",
            hint="accounts are made on the machine, by `autopack api user add`",
        )
        answer.status_code = 401
        return answer
    response = RedirectResponse(own_path(wanted), 303)
    cookie = open_session(service.db, service.secret, account.name)
    keep(response, service, request, SESSION_COOKIE, cookie)
    return response


@router.post("/sign-out")
def leave(form: PostedOf) -> Response:
    """End the session."""
    form.only()
    end_session(form.service.db, form.service.secret, form.visitor.session)
    who = Principal(form.visitor.who.name, "session", frozenset())
    audit.note(form.service.db, who, Deed("account.sign_out", who.name), address=form.address)
    response = RedirectResponse(at("sign-in"), 303)
    response.delete_cookie(SESSION_COOKIE, path=BASE, httponly=True, samesite="strict")
    return response


def _form(
    request: Request,
    service: Service,
    wanted: str | None,
    *,
    name: str = "",
    failed: str | None = None,
    hint: str | None = None,
) -> Response:
    cookie = visit(request)
    answer = page(
        "sign_in.html",
        visitor=None,
        here=None,
        token=form_token(service.secret, cookie),
        wanted=own_path(wanted),
        name=name,
        failed=failed,
        hint=hint,
    )
    keep(answer, service, request, VISIT_COOKIE, cookie)
    return answer
