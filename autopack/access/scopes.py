"""What a caller may do: five scopes, none of which implies another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from autopack.model.errors import BadInput, Refused

Via = Literal["local", "key", "token", "session"]


class Scope(StrEnum):
    """A kind of request."""

    READ = "read"
    """States, figures, decisions."""
    CONTENT = "content"
    """What agents and checks wrote: diffs, logs, instructions."""
    RUN = "run"
    """Start, pause, resume and cancel runs."""
    APPROVE = "approve"
    """Answer questions, and raise or lower caps."""
    ADMIN = "admin"
    """Keys, accounts and the audit."""


ALL = frozenset(Scope)


@dataclass(frozen=True)
class Principal:
    """Who makes a request, by which means, and what they may do.

    ``local`` is somebody at the command line of this machine, who holds the database anyway.
    ``account`` is whose key, token or session it is, None where it is nobody's. Of a key,
    ``key_id`` says which, and ``until`` when it ends.
    """

    name: str
    via: Via
    scopes: frozenset[Scope]
    account: str | None = field(default=None, compare=False)
    key_id: str | None = field(default=None, compare=False)
    until: datetime | None = field(default=None, compare=False)

    def needs(self, scope: Scope) -> None:
        """Raise Forbidden unless this caller has the scope."""
        if scope not in self.scopes:
            raise Forbidden(
                f"this needs the scope {scope.value}", hint="use a key that was made with it"
            )


class Forbidden(Refused):
    """The caller is known and may not do this."""

    kind = "forbidden"


def parse_scopes(names: Iterable[str], *, field: str = "scopes") -> frozenset[Scope]:
    """Return the scopes of those names. Raises BadInput naming ``field``."""
    known = {scope.value: scope for scope in Scope}
    found: set[Scope] = set()
    for name in names:
        if name not in known:
            raise BadInput(
                f"unknown scope: {name!r}", field=field, hint=f"use some of {', '.join(Scope)}"
            )
        found.add(known[name])
    if not found:
        raise BadInput("no scope is named", field=field, hint=f"use some of {', '.join(Scope)}")
    return frozenset(found)


def scopes_within(asked: frozenset[Scope], maker: Principal) -> frozenset[Scope]:
    """Return what is asked for. Raises Forbidden when it is wider than what the maker has."""
    if wider := asked - maker.scopes:
        raise Forbidden(
            f"{maker.name} does not have the scope {', '.join(sorted(wider))}",
            field="scopes",
            hint="nobody can give what they do not have",
        )
    return asked
