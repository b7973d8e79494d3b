"""How a change is answered: one envelope, tried out when asked, the same when repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request

from autopack.access import answers, audit
from autopack.access.answers import Answer
from autopack.access.audit import Deed
from autopack.access.scopes import Principal
from autopack.model.errors import AutopackError
from deployments.api.callers import address_of
from deployments.api.service import Service, ServiceOf
from deployments.api.strictness import json_only


@dataclass(frozen=True)
class Change:
    """A request to change something: whether it is only tried out, and under which key."""

    service: Service
    address: str
    dry_run: bool
    key: str | None
    sha256: str

    def without_key(self) -> Change:
        """Return the same without its key: an answer that holds a secret must not be kept."""
        return replace(self, key=None)

    def before(self, who: Principal) -> dict[str, Any] | None:
        """Return what this very request was answered before, None for the first.

        To be asked before looking at what may have changed since: the run may have ended by now.
        """
        if self.key is None or self.dry_run:
            return None
        found = answers.find(self.service.db, answers.Request(who.name, self.key, self.sha256))
        return None if found is None else found.body

    def carry_out(
        self, who: Principal, deed: Deed, act: Callable[[], tuple[bool, Any]]
    ) -> dict[str, Any]:
        """Do ``act`` once, note it in the audit, and answer the envelope.

        ``act`` returns whether something changed and the detail. Tried out, nothing is done: what
        would stop it has been looked at before. A refusal is noted too, and frees the key.
        """
        target = deed.target or ""
        if self.dry_run:
            return _envelope(target, changed=False, dry_run=True)
        request = None if self.key is None else answers.Request(who.name, self.key, self.sha256)
        if request is not None and (before := answers.begin(self.service.db, request)) is not None:
            return before.body
        try:
            changed, detail = act()
        except BaseException as error:
            if request is not None:
                answers.finish(self.service.db, request, None)
            if isinstance(error, AutopackError):
                refused = Deed(deed.action, deed.target, "refused", {"reason": error.message})
                audit.note(self.service.db, who, refused, address=self.address)
            raise
        finally:
            self.service.views.forget()
        audit.note(self.service.db, who, deed, address=self.address)
        body = _envelope(target, changed=changed, detail=detail)
        if request is not None:
            answers.finish(self.service.db, request, Answer(200, body))
        return body


async def _change(
    request: Request,
    service: ServiceOf,
    dry_run: Annotated[bool, Query(description="Look, and change nothing.")] = False,
    idempotency_key: Annotated[
        str | None, Header(description="The same key and request get the same answer.")
    ] = None,
) -> Change:
    await json_only(request)
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    digest = hashlib.sha256(asked + await request.body()).hexdigest()
    return Change(service, address_of(request), dry_run, idempotency_key, digest)


Changing = Annotated[Change, Depends(_change)]


def _envelope(
    target: str, *, changed: bool, dry_run: bool = False, detail: Any = None
) -> dict[str, Any]:
    return {"target": target, "changed": changed, "dry_run": dry_run, "detail": detail}
