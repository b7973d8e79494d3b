"""Accounts and tokens of people: register, sign in, who am I, and the keys that check tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from autopack.access import accounts, audit
from autopack.access.audit import Deed
from autopack.access.scopes import Forbidden, Principal, Scope
from deployments.api.callers import address_of, caller, needs
from deployments.api.problems import Unauthenticated
from deployments.api.service import ServiceOf
from deployments.api.signing_in import sign_in
from deployments.api.strictness import json_only

router = APIRouter(prefix="/api/auth", tags=["auth"])

# What somebody may do who made their own account; more is given at the machine.
_REGISTERED = frozenset({Scope.READ})


class Credentials(BaseModel):
    """A name and a password."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=256, examples=["ada"])]
    password: Annotated[str, Field(max_length=4096, examples=["correct horse battery staple"])]


@router.post("/register", status_code=201, dependencies=[Depends(json_only)])
def register(wanted: Credentials, request: Request, service: ServiceOf) -> dict[str, Any]:
    """Make an account that may read; closed unless AUTOPACK_API_REGISTRATION is true."""
    if not service.registration:
        raise Forbidden(
            "registration is closed", hint="`autopack api user add` makes an account at the machine"
        )
    maker = Principal(wanted.name, "session", _REGISTERED)
    made = accounts.add_account(service.db, wanted.name, wanted.password, _REGISTERED, maker)
    audit.note(service.db, maker, Deed("account.register", made.name), address=address_of(request))
    return _shown(made)


@router.post("/login", dependencies=[Depends(json_only)])
def login(given: Credentials, request: Request, service: ServiceOf) -> dict[str, Any]:
    """Answer a token for an hour; alike for an unknown name and a wrong password."""
    account = sign_in(service.db, given.name, given.password, address_of(request))
    if account is None:
        raise Unauthenticated(
            "wrong name or password",
            field="password",
            hint="accounts are made by `autopack api user add`",
        )
    token, claims = service.signer.issue(account.name, account.generation)
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_at": claims.expires_at.isoformat(),
        "scopes": sorted(account.scopes),
    }


@router.get("/me")
def me(who: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
    """Answer who the caller is, and what they may do; needs a key or a token of any scope."""
    return {"name": who.name, "via": who.via, "scopes": sorted(who.scopes)}


@router.get("/.well-known/jwks.json")
def public_keys(service: ServiceOf) -> dict[str, Any]:
    """Answer the public keys that tokens are checked with; needs no key."""
    return service.signer.public_keys()


@router.get("/key-status", dependencies=[needs(Scope.ADMIN)])
def key_status(service: ServiceOf) -> dict[str, Any]:
    """Answer where the signing keys come from and which there are."""
    return service.signer.status()


def _shown(account: accounts.Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "scopes": sorted(account.scopes),
        "active": account.active,
        "created_at": account.created_at.isoformat(),
    }
