"""Who is signed in and what they may do; for administrators, accounts and the audit."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from autopack.access.accounts import list_accounts
from autopack.access.audit import read_audit
from autopack.access.program_keys import list_keys
from autopack.access.scopes import Scope
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.api.service import ServiceOf

router = APIRouter()

_MOST = 200


@router.get("/account")
def account(visitor: VisitorOf, service: ServiceOf) -> Response:
    """Show the account, its scopes and its keys."""
    keys = list_keys(service.db, account=visitor.who.name)
    return page(
        "account.html",
        here="account",
        visitor=visitor,
        scopes=[*Scope],
        keys=keys[:_MOST],
        accounts=list_accounts(service.db)[:_MOST] if visitor.may("admin") else [],
    )


@router.get("/audit")
def audit(visitor: VisitorOf, service: ServiceOf, before: int | None = None) -> Response:
    """Show who did what, newest first."""
    visitor.who.needs(Scope.ADMIN)
    entries, older = read_audit(service.db, limit=_MOST, before=before)
    return page("audit.html", here="account", visitor=visitor, entries=entries, older=older)
