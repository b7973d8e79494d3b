"""The API in this process over a database of each engine, and callers of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from autopack.access import accounts, program_keys
from autopack.access.program_keys import NewKey
from autopack.access.scopes import ALL, Principal, Scope
from autopack.access.secret import api_secret
from autopack.access.signing import TokenSigner
from autopack.settings import Settings
from autopack.store import Database
from deployments.api.app import create_app
from deployments.api.service import Service

LOCAL = Principal("somebody", "local", ALL)
PASSWORD = "correct horse battery"


@dataclass
class Api:
    """An application and who may call it."""

    service: Service
    client: TestClient
    texts: dict[frozenset[Scope], str] = field(default_factory=dict)

    def key(self, *scopes: Scope) -> dict[str, str]:
        """The headers of a key with these scopes."""
        wanted = frozenset(scopes or ALL)
        if wanted not in self.texts:
            new = NewKey("test", wanted)
            self.texts[wanted], _ = program_keys.create_key(
                self.service.db, self.service.secret, new, LOCAL
            )
        return {"X-API-Key": self.texts[wanted]}

    def token(self, name: str = "ada", *scopes: Scope) -> dict[str, str]:
        """The headers of a signed-in account with these scopes, made when it is new."""
        if accounts.find_account(self.service.db, name) is None:
            accounts.add_account(self.service.db, name, PASSWORD, frozenset(scopes or ALL), LOCAL)
        account = accounts.find_account(self.service.db, name)
        generation = account.generation if account else 0
        return {"Authorization": f"Bearer {self.service.signer.issue(name, generation)[0]}"}


@pytest.fixture
def service(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Service:
    home = tmp_path / "home"
    monkeypatch.setenv("AUTOPACK_HOME", str(home))
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings = Settings.from_environment()
    secret = api_secret(settings.home, {})
    return Service(database, settings, secret, TokenSigner(database, secret, {}), {})


@pytest.fixture
def api(service: Service) -> Api:
    return Api(service, TestClient(create_app(service), raise_server_exceptions=False))


@pytest.fixture
def opened(service: Service) -> Callable[..., Api]:
    """The same service with some of its values changed."""

    def make(**changes: object) -> Api:
        return Api(replace(service, **changes), TestClient(create_app(replace(service, **changes))))

    return make
