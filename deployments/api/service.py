"""What every route works with: the database, the settings, the secret and the signer of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from autopack.access.secret import ApiSecret, api_secret
from autopack.access.signing import TokenSigner
from autopack.settings import API_REGISTRATION, Settings
from autopack.store.database.engine import Database
from deployments.api.shared_views import SharedViews


@dataclass(frozen=True)
class Service:
    """One API process; ``registration`` lets anybody who reaches it make an account."""

    db: Database
    settings: Settings
    secret: ApiSecret
    signer: TokenSigner
    environ: Mapping[str, str]
    registration: bool = False
    views: SharedViews = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "views", SharedViews(self.db))

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str]) -> Service:
        """Open the database and the secret. Raises AutopackError."""
        db = Database.open(settings.database_url)
        secret = api_secret(settings.home, environ)
        return cls(
            db,
            settings,
            secret,
            TokenSigner(db, secret, environ),
            environ,
            registration=API_REGISTRATION.of(environ),
        )


async def _service(request: Request) -> Service:
    return request.app.state.service


ServiceOf = Annotated[Service, Depends(_service)]
