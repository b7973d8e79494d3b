"""API keys: made, listed, revoked. Everybody handles their own, an administrator all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from autopack.access import program_keys
from autopack.access.audit import Deed
from autopack.access.key_lifetime import parse_expiry
from autopack.access.program_keys import ApiKey, NewKey
from autopack.access.scopes import Principal, Scope, parse_scopes, scopes_within
from deployments.api.answers import Changing
from deployments.api.callers import caller
from deployments.api.service import ServiceOf

router = APIRouter(prefix="/api/auth/keys", tags=["auth"])

Caller = Annotated[Principal, Depends(caller)]


class WantedKey(BaseModel):
    """A key to be made; without ``expires`` it ends when it is revoked."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(examples=["nightly-ci"])]
    scopes: Annotated[list[str], Field(examples=[["read", "run"]])]
    expires: Annotated[str | None, Field(examples=["90d"])] = None


@router.get("")
def list_keys(who: Caller, service: ServiceOf) -> dict[str, Any]:
    """Answer the caller's keys, an administrator's all; never their text."""
    found = program_keys.list_keys(service.db, account=_only_of(who))
    return {"keys": [key_view(each) for each in found]}


@router.post("")
def create_key(
    wanted: WantedKey, who: Caller, service: ServiceOf, change: Changing
) -> dict[str, Any]:
    """Make a key with scopes that the caller has; its text is in this answer and nowhere else.

    One that a key makes belongs to the same account, and ends with that key.
    """
    key = NewKey(
        wanted.name,
        scopes_within(parse_scopes(wanted.scopes), who),
        account=who.account,
        expires_at=parse_expiry(wanted.expires, datetime.now(UTC), "expires"),
    )

    def act() -> tuple[bool, dict[str, Any]]:
        text, made = program_keys.create_key(service.db, service.secret, key, who)
        return True, {**key_view(made), "key": text}

    return change.without_key().carry_out(who, Deed("key.create", wanted.name), act)


@router.delete("/{key_id}")
def revoke_key(key_id: str, who: Caller, service: ServiceOf, change: Changing) -> dict[str, Any]:
    """End a key at once."""
    account = _only_of(who)
    program_keys.get_key(service.db, key_id, account=account)

    def act() -> tuple[bool, None]:
        return program_keys.revoke_key(service.db, key_id, account=account), None

    return change.carry_out(who, Deed("key.revoke", key_id), act)


def key_view(key: ApiKey) -> dict[str, Any]:
    """Return a key as it is shown."""
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "account": key.account,
        "made_by_key": key.made_by_key,
        "created_by": key.created_by,
        **{name: at and at.isoformat() for name in times for at in [getattr(key, name)]},
    }


def _only_of(who: Principal) -> str | None:
    return None if Scope.ADMIN in who.scopes else who.name
