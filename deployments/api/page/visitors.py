"""Who looks at the page: a session by its cookie, and forms that only this page can have shown."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from autopack.access.scopes import Forbidden, Principal, Scope
from autopack.access.sessions import LIFETIME, form_token, is_form_token, use_session
from autopack.model.errors import BadInput
from autopack.settings import PAGE_URL
from deployments.api.answers import Change
from deployments.api.callers import address_of
from deployments.api.page.rendering import BASE
from deployments.api.service import Service, ServiceOf

SESSION_COOKIE = "autopack_session"
VISIT_COOKIE = "autopack_visit"
"""Known before anybody has signed in, so that the sign-in form is ours, too."""

_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 50
_LONGEST_NOTE = 4_000


class SignInFirst(Exception):
    """Nobody is signed in; ``wanted`` is where to go afterwards."""

    def __init__(self, wanted: str | None) -> None:
        super().__init__("sign in first")
        self.wanted = wanted


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in; ``token`` goes into every form that they are shown."""

    who: Principal
    session: str
    token: str

    def may(self, scope: str) -> bool:
        """Return whether they have the scope of that name."""
        return Scope(scope) in self.who.scopes


@dataclass(frozen=True)
class Posted:
    """A form that was sent, by somebody whom it was shown to."""

    visitor: Visitor
    service: Service
    address: str
    fields: dict[str, str]

    def text(self, name: str) -> str | None:
        """Return what was typed; None for nothing."""
        return self.fields.get(name, "").strip() or None

    @property
    def note(self) -> str | None:
        """The note. Raises BadInput for one that is too long."""
        found = self.text("note")
        if found is not None and len(found) > _LONGEST_NOTE:
            raise BadInput("the note is too long", field="note", hint="use 4,000 characters")
        return found

    def only(self, *names: str) -> None:
        """Raise BadInput naming the first field that this form does not have."""
        unknown = next((name for name in self.fields if name not in names), None)
        if unknown is not None:
            raise BadInput(
                f"unknown field: {unknown}", field=unknown, hint="reload the page and try again"
            )

    @property
    def change(self) -> Change:
        """The change as routes of the API carry it out and note it in the audit."""
        return Change(self.service, self.address, dry_run=False, key=None, sha256="")


def signed_in(request: Request, service: ServiceOf) -> Visitor:
    """Return who is signed in. Raises SignInFirst."""
    text = request.cookies.get(SESSION_COOKIE, "")
    who = use_session(service.db, service.secret, text)
    if who is None:
        raise SignInFirst(_path(request) if request.method == "GET" else None)
    return Visitor(who, text, form_token(service.secret, text))


SignedIn = Annotated[Visitor, Depends(signed_in)]


def visitor(known: SignedIn) -> Visitor:
    """Return who is signed in and may read. Raises SignInFirst, Forbidden."""
    known.who.needs(Scope.READ)
    return known


VisitorOf = Annotated[Visitor, Depends(visitor)]


async def sent_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form as browsers send it. Raises BadInput."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadInput("this takes a form", field="Content-Type", hint="use the page's own forms")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise BadInput("the form is too large", field="body", hint="write less")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise BadInput("the form cannot be read", field="body", hint="try again") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadInput("a field is there twice", field="body", hint="try again")
    return fields


SentFields = Annotated[dict[str, str], Depends(sent_fields)]


def posted(known: SignedIn, fields: SentFields, request: Request, service: ServiceOf) -> Posted:
    """Return a form of somebody signed in. Raises Forbidden when it was not shown to them."""
    check_form(service, known.session, fields.pop("csrf", ""))
    return Posted(known, service, address_of(request), fields)


PostedOf = Annotated[Posted, Depends(posted)]


def check_form(service: Service, cookie: str, token: str) -> None:
    """Raise Forbidden unless the form was shown to the holder of the cookie."""
    if not cookie or not is_form_token(service.secret, cookie, token):
        raise Forbidden(
            "this form was not shown to you, or you signed in again since",
            field="csrf",
            hint="go back, reload the page and try again",
        )


def visit(request: Request) -> str:
    """Return the cookie of somebody who has not signed in yet, a new one for a first visit."""
    known = request.cookies.get(VISIT_COOKIE, "")
    return known if 20 <= len(known) <= 128 else secrets.token_urlsafe(24)


def keep(response: Response, service: Service, request: Request, name: str, value: str) -> None:
    """Set a cookie that scripts cannot read and other sites cannot have sent."""
    response.set_cookie(
        name,
        value,
        max_age=int(LIFETIME.total_seconds()) if name == SESSION_COOKIE else None,
        path=BASE,
        secure=_is_secure(service, request),
        httponly=True,
        samesite="strict",
    )


def own_path(wanted: str | None) -> str:
    """Return a path of this page, whatever is asked for: nobody is sent elsewhere."""
    if not wanted or not wanted.isprintable() or not wanted.startswith(f"{BASE}/"):
        return f"{BASE}/"
    if "\\" in wanted or "//" in wanted or "/.." in wanted:
        return f"{BASE}/"
    return wanted


def _path(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _is_secure(service: Service, request: Request) -> bool:
    known = PAGE_URL.of(service.environ)
    return request.url.scheme == "https" or urlsplit(known or "").scheme == "https"
