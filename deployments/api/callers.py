"""Who makes a request: an API key, a token, or both, and each that is given is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from autopack.access.accounts import find_account
from autopack.access.program_keys import use_key
from autopack.access.scopes import Principal, Scope
from autopack.access.signing import BadToken
from autopack.model.errors import BadInput
from deployments.api.problems import Unauthenticated
from deployments.api.service import Service, ServiceOf

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="`autopack api keys create`")
_BEARER = HTTPBearer(auto_error=False, description="a token of `POST /api/auth/login`")
_HINT = "send X-API-Key, or Authorization: Bearer with a token of POST /api/auth/login"


def caller(
    asked: SecurityScopes,
    request: Request,
    service: ServiceOf,
    key: Annotated[str | None, Depends(_KEY)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None,
) -> Principal:
    """Return the caller, who has every scope that the route asks for."""
    found: list[Principal] = []
    for name in ("X-API-Key", "Authorization"):
        if len(request.headers.getlist(name)) > 1:
            raise Unauthenticated(f"{name} is there twice", field=name, hint="send it once")
    if key is not None:
        found.append(_of_key(service, key))
    if bearer is not None:
        found.append(_of_token(service, bearer.credentials))
    elif "authorization" in request.headers:
        raise Unauthenticated(
            "this kind of Authorization is not known here", field="Authorization", hint=_HINT
        )
    if not found:
        raise Unauthenticated("this needs a key or a token", hint=_HINT)
    known = found[0]
    for other in found[1:]:
        account = known.account or other.account
        known = replace(known, scopes=known.scopes & other.scopes, account=account)
    for scope in asked.scopes:
        known.needs(Scope(scope))
    # For an answer that lasts: who was let in may be let in no longer.
    request.state.check_caller = lambda: caller(asked, request, service, key, bearer)
    return known


def needs(scope: Scope) -> Any:
    """Return the dependency of a route that only callers with this scope may use."""
    return Security(caller, scopes=[scope.value])


def _of_key(service: Service, text: str) -> Principal:
    try:
        found = use_key(service.db, service.secret, text)
    except BadInput as error:
        raise Unauthenticated(error.message, field="X-API-Key", hint=error.hint) from error
    if found is None:
        raise Unauthenticated(
            "this key is unknown, expired or revoked",
            field="X-API-Key",
            hint="make one with `autopack api keys create`",
        )
    return found


def _of_token(service: Service, text: str) -> Principal:
    claims = service.signer.check(text)
    account = find_account(service.db, claims.subject)
    if account is None or not account.active or claims.generation != account.generation:
        raise BadToken("this token is not valid here", field="Authorization", hint="sign in again")
    return account.principal("token")


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return request.client.host if request.client else "unknown"
