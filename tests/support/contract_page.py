"""The page in this process: somebody signs in, looks, and sends the forms that they were shown."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from autopack.access import accounts
from autopack.access.scopes import ALL, Scope
from autopack.access.secret import api_secret
from autopack.access.sessions import open_session
from autopack.access.signing import TokenSigner
from autopack.store import Database
from deployments.api.app import create_app
from deployments.api.service import Service
from support.contract_api import LOCAL, PASSWORD, Api
from support.failed_run import fail, home_in, make, store


@dataclass
class Form:
    """A form as it stands on a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[Form] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag == "form":
            self.forms.append(Form(found["action"], found.get("method", "get")))
        elif tag == "input" and self.forms and found.get("name"):
            self.forms[-1].fields[found["name"]] = found.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Browser:
    """Somebody at the page."""

    client: TestClient

    def get(self, path: str, status: int = 200) -> Elements:
        """The page at a path."""
        answer = self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return Elements(answer.text)

    def form(self, path: str, action: str) -> Form:
        """The form on a page whose action ends so."""
        return next(one for one in self.get(path).forms if one.action.endswith(action))

    def send(self, form: Form, status: int = 200, **typed: str) -> Elements:
        """Fill in a form and send it."""
        answer = self.client.post(form.action, data=form.fields | typed)
        assert answer.status_code == status, f"{answer.status_code} {answer.text[:2000]}"
        return Elements(answer.text)


@contextmanager
def failed_site(folder: Path) -> Generator[Api]:
    """The page over a SQLite database with a run ``failed`` that failed in its second phase, and
    ``waiting``, not begun."""
    with pytest.MonkeyPatch.context() as patch:
        settings = home_in(folder, patch)
        db = Database.open(settings.database_url)
        secret = api_secret(settings.home, {})
        service = Service(db, settings, secret, TokenSigner(db, secret, {}), {})
        with_failed_run(service, folder)
        yield Api(service, TestClient(create_app(service), raise_server_exceptions=False))
        db.close()


def with_failed_run(service: Service, folder: Path) -> None:
    """Store those two runs."""
    project = make(folder)
    fail(project, service.settings)
    store(project, "waiting", service.db, service.settings)


def browser(api: Api, *scopes: Scope, name: str | None = None) -> Browser:
    """Somebody with these scopes, all by default, who is signed in."""
    found = stranger(api)
    known = name or ("-".join(("some", *sorted(scopes))) if scopes else "ada")
    account(api, known, *scopes)
    cookie = open_session(api.service.db, api.service.secret, known)
    found.client.cookies.set("autopack_session", cookie, path="/ui")
    return found


def account(api: Api, name: str, *scopes: Scope) -> None:
    """Have an account."""
    if accounts.find_account(api.service.db, name) is None:
        accounts.add_account(api.service.db, name, PASSWORD, frozenset(scopes or ALL), LOCAL)


def stranger(api: Api) -> Browser:
    """Somebody who has not signed in."""
    return Browser(TestClient(api.client.app, raise_server_exceptions=False))


def links(page: Elements) -> list[str]:
    """Every address of ours that a page links to, without what a browser adds."""
    found = [attrs.get("href") or "" for tag, attrs in page.elements if tag == "a"]
    return [re.sub(r"[?#].*", "", one) for one in found if one.startswith("/")]
