"""Every page shows what it is for, and only to those who may see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from support.contract_api import PASSWORD, Api
from support.contract_page import (
    Browser,
    Elements,
    Form,
    account,
    browser,
    failed_site,
    links,
    stranger,
    with_failed_run,
)
from support.failed_run import make, store

from autopack.access import accounts, audit, sign_ins
from autopack.access.scopes import Scope
from autopack.store.runs import get_run
from deployments.api.page.site import POLICY, ROUTERS
from deployments.api.page.visitors import own_path

PAGES = [
    "/ui/",
    "/ui/runs",
    "/ui/runs/failed",
    "/ui/runs/failed/phases/one/attempts/1",
    "/ui/runs/failed/phases/two/attempts/1",
    "/ui/campaigns",
    "/ui/experiments",
    "/ui/patterns",
    "/ui/health",
    "/ui/account",
    "/ui/audit",
]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with failed_site(tmp_path_factory.mktemp("page")) as site:
        yield site


def _routes() -> list[tuple[str, str]]:
    return [
        (method, f"/ui{route.path}")
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]


def _at(path: str) -> str:
    return path.format(run_id="failed", phase_id="one", number=1, name="x", test_id="x")


def test_every_page_is_shown_and_every_link_on_it_leads_somewhere(failed: Api) -> None:
    ada = browser(failed)
    seen: set[str] = set()
    for path in PAGES:
        found = ada.get(path)
        assert found.text.strip()
        for link in links(found):
            if link not in seen:
                seen.add(link)
                ada.get(link)
    assert {"/ui/runs/failed", "/ui/runs/waiting"} <= seen


def test_every_page_on_both_engines(api: Api, tmp_path: Path) -> None:
    with_failed_run(api.service, tmp_path)
    ada = browser(api)
    for path in PAGES:
        ada.get(path)


def test_nobody_sees_anything_before_signing_in(failed: Api) -> None:
    for method, path in _routes():
        if path == "/ui/sign-in":
            continue
        answer = failed.client.request(
            method, _at(path), data={} if method == "POST" else None, follow_redirects=False
        )
        assert answer.status_code == 303, f"{method} {path}"
        assert answer.headers["location"].startswith("/ui/sign-in")


def test_reading_needs_its_scope(failed: Api) -> None:
    eve = browser(failed, Scope.RUN)
    for method, path in _routes():
        if method == "GET" and path != "/ui/sign-in":
            assert eve.client.get(_at(path)).status_code == 403, path


def test_a_browser_is_allowed_nothing_but_this_page(failed: Api) -> None:
    ada = browser(failed)
    for path in [*PAGES, "/ui/sign-in", "/ui/static/page.js", "/ui/nothing"]:
        answer = ada.client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        for tag, attrs in Elements(answer.text).elements:
            assert "style" not in attrs, f"{path}: {tag}"
            assert not [name for name in attrs if name.startswith("on")], f"{path}: {tag}"
            assert tag != "style"
            assert tag != "script" or attrs["src"].startswith("/ui/static/")
            for name in ("src", "href", "action"):
                value = attrs.get(name) or ""
                assert value.startswith(("/ui/", "#", "http")) or not value, f"{path}: {value}"
                assert tag == "a" or not value.startswith("http")


def test_the_overview_says_what_needs_somebody(failed: Api) -> None:
    text = browser(failed).get("/ui/").text
    assert text.index("Needs somebody") < text.index("failed") < text.index("At work")
    assert "needs review" in text
    assert "autopack retry failed" in text
    assert "waiting" in text[text.index("Not started yet") :]


def test_a_run_shows_its_attempts_and_what_it_spent(failed: Api) -> None:
    text = " ".join(browser(failed).get("/ui/runs/failed").text.split())
    assert "1 of 2 complete, 1 failed" in text
    assert "autopack retry failed" in text
    assert re.search(r"1,107 of 5,000,000 tokens", text)
    assert "modelled" in text  # a recording was paid by nobody


def test_an_attempt_shows_its_difference_and_why_it_failed(failed: Api) -> None:
    text = browser(failed).get("/ui/runs/failed/phases/two/attempts/1").text
    assert "What it changed" in text
    assert "test '!' -e b" in text
    first = browser(failed).get("/ui/runs/failed/phases/one/attempts/1")
    assert [attrs.get("class") for tag, attrs in first.elements if tag == "tr"] == [
        "hunk",
        "add",
        "note",
    ]


def test_what_agents_wrote_needs_its_scope(failed: Api) -> None:
    eve = browser(failed, Scope.READ)
    text = eve.get("/ui/runs/failed/phases/two/attempts/1").text
    assert "What it changed" not in text
    assert "scope content" in text
    assert "What the agent says" not in eve.get("/ui/runs/failed").text
    assert "autopack.access" not in eve.get("/ui/account").text


def test_what_is_unknown_is_a_page_too(failed: Api) -> None:
    ada = browser(failed)
    for path in (
        "/ui/runs/nothing",
        "/ui/runs/failed/phases/one/attempts/9",
        "/ui/runs/failed/phases/none/attempts/1",
        "/ui/campaigns/none",
        "/ui/experiments/none",
        "/ui/experiments/none/pairs.svg",
        "/ui/none",
    ):
        found = ada.get(path, status=404)
        assert "To the overview" in found.text
    assert "limit" not in ada.get("/ui/runs?state=NONE", status=400).text
    ada.get("/ui/runs/failed/phases/one/attempts/x", status=400)
    ada.get("/ui/runs?after=x", status=400)


def test_the_address_alone_leads_to_the_page(failed: Api) -> None:
    assert failed.client.get("/", follow_redirects=False).headers["location"] == "/ui/"


def _sign_in_form(site: Api) -> tuple[Browser, Form]:
    account(site, "ada")
    visitor = stranger(site)
    return visitor, visitor.form("/ui/sign-in", "/sign-in")


def test_signing_in_and_out(failed: Api) -> None:
    ada, form = _sign_in_form(failed)
    form.fields["next"] = "/ui/runs/failed"
    assert "1 of 2 complete" in ada.send(form, name="Ada", password=PASSWORD).text
    kept = ada.client.cookies["autopack_session"]
    assert "Sign in" in ada.send(ada.form("/ui/account", "/sign-out")).text
    ada.client.cookies.set("autopack_session", kept, path="/ui")
    assert ada.client.get("/ui/", follow_redirects=False).status_code == 303
    told = [(one.action, one.who, one.via) for one in audit.read_audit(failed.service.db)[0]]
    assert told[:2] == [
        ("account.sign_out", "ada", "session"),
        ("account.sign_in", "ada", "session"),
    ]


def test_the_cookie_is_for_this_page_alone(failed: Api) -> None:
    ada, form = _sign_in_form(failed)
    typed = form.fields | {"name": "ada", "password": PASSWORD}
    answer = ada.client.post(form.action, data=typed, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "autopack_session=" in cookie
    for part in ("httponly", "samesite=strict", "path=/ui", "max-age=43200"):
        assert part in cookie
    ada.client.cookies.set("autopack_session", ada.client.cookies["autopack_session"], path="/")
    assert ada.client.get("/runs").status_code == 401


def test_wrong_passwords_and_unknown_names_are_answered_alike(failed: Api) -> None:
    visitor, form = _sign_in_form(failed)
    wrong = visitor.send(form, 401, name="ada", password="x" * 12).text
    unknown = visitor.send(form, 401, name="bob", password="x" * 12).text
    assert wrong.split() == unknown.split()
    for _ in range(sign_ins.MOST_OF_ACCOUNT):
        sign_ins.note_sign_in(failed.service.db, "bob", "elsewhere", succeeded=False)
    visitor.send(form, 429, name="bob", password="x" * 12)
    assert visitor.client.post(form.action, data={"name": "ada"}).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example",
        "/ui//elsewhere.example",
        "/ui/../runs",
        "javascript:alert(1)",
        "/ui/\r\nSet-Cookie: x=1",
        "",
        None,
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(wanted: str | None) -> None:
    assert own_path(wanted) == "/ui/"
    assert own_path("/ui/runs?state=FAILED") == "/ui/runs?state=FAILED"


@pytest.mark.parametrize("how", ["disabled", "another password"])
def test_a_session_ends_with_what_it_rests_on(failed: Api, how: str) -> None:
    joe = browser(failed, name="joe")
    joe.get("/ui/account")
    if how == "disabled":
        accounts.set_active(failed.service.db, "joe", active=False)
        accounts.set_active(failed.service.db, "joe", active=True)
    else:
        accounts.set_password(failed.service.db, "joe", "another long password")
    assert joe.client.get("/ui/", follow_redirects=False).status_code == 303


def _posts() -> list[str]:
    return [path for method, path in _routes() if method == "POST" and path != "/ui/sign-in"]


@pytest.mark.parametrize("path", _posts())
def test_a_form_that_was_not_shown_changes_nothing(failed: Api, path: str) -> None:
    ada, eve = browser(failed), browser(failed, name="eve")
    token = ada.form("/ui/account", "/sign-out").fields["csrf"]
    hers = eve.form("/ui/account", "/sign-out").fields["csrf"]
    before = audit.read_audit(failed.service.db)
    where = _at(path).replace("failed", "waiting")
    for sent in (
        {"note": ""},
        {"csrf": ""},
        {"csrf": hers},
        {"csrf": token[:-1]},
        {"csrf": "\u00e9"},
    ):
        assert ada.client.post(where, data=sent).status_code == 403, sent
    for body, kind in (
        (f"csrf={token}", "text/plain"),
        ('{"csrf": "' + token + '"}', "application/json"),
        (f"csrf={token}&csrf={token}", "application/x-www-form-urlencoded"),
        (f"csrf={token}&x=" + "x" * 70_000, "application/x-www-form-urlencoded"),
        ("&".join(f"f{n}=1" for n in range(60)), "application/x-www-form-urlencoded"),
    ):
        answer = ada.client.post(where, content=body, headers={"Content-Type": kind})
        assert answer.status_code == 400, body[:80]
    assert audit.read_audit(failed.service.db) == before
    assert ada.get("/ui/").text


@pytest.mark.parametrize("path", [path for path in _posts() if "run_id" in path])
def test_an_account_does_what_it_may_and_sees_no_other_button(failed: Api, path: str) -> None:
    eve = browser(failed, Scope.READ, Scope.CONTENT, Scope.ADMIN)
    token = eve.form("/ui/account", "/sign-out").fields["csrf"]
    where = _at(path).replace("failed", "waiting")
    assert eve.client.post(where, data={"csrf": token}).status_code == 403
    assert [one.action for one in eve.get("/ui/runs/waiting").forms] == ["/ui/sign-out"]


def test_cancelling_a_run(failed: Api) -> None:
    ada = browser(failed)
    form = ada.form("/ui/runs/waiting", "/cancel")
    assert "Cancelled." in ada.send(form).text
    assert "Nothing had to be changed." in ada.send(form).text
    entry = audit.read_audit(failed.service.db)[0][0]
    assert (entry.action, entry.who, entry.target) == ("run.cancel", "ada", "waiting")
    assert ada.send(form, 400, extra="1").text.count("unknown field: extra") == 1


def test_answers_to_a_question_that_nobody_asks(failed: Api) -> None:
    ada = browser(failed)
    form = ada.form("/ui/account", "/sign-out")
    form.action = "/ui/runs/waiting/approve"
    assert "waits for no answer" in ada.send(form, 409).text
    form.action = form.action.replace("waiting", "nothing")
    ada.send(form, 404)


def test_pausing_many_and_lifting_it(failed: Api, tmp_path: Path) -> None:
    ada = browser(failed)
    store(make(tmp_path), "held", failed.service.db, failed.service.settings)
    form = ada.form("/ui/", "/pauses/set")
    refused = ada.send(form, 400, kind="builder").text
    assert "name a builder or a provider" in refused
    ada.send(form, 404, kind="builder", name="nobody-knows-it")
    assert "Paused." in ada.send(form, kind="all", note="the provider is in trouble").text
    overview = ada.get("/ui/").text
    assert "everything" in overview
    assert "the provider is in trouble" in overview
    assert "paused" in ada.get("/ui/runs/held").text
    assert "Resumed." in ada.send(ada.form("/ui/", "/pauses/lift")).text
    assert "Nothing is paused." in ada.get("/ui/").text


def test_a_cap_that_is_no_amount_changes_nothing(failed: Api, tmp_path: Path) -> None:
    ada = browser(failed)
    store(make(tmp_path), "capped", failed.service.db, failed.service.settings)
    form = ada.form("/ui/runs/capped", "/caps")
    for typed in ("x", "-1", "1.5", "1e400", "NaN", "9" * 20):
        assert "Nothing was changed." in ada.send(form, 400, token_cap=typed).text, typed
    assert "no cap is named" in ada.send(form, 400).text
    assert get_run(failed.service.db, "capped").token_cap == 5_000_000
    assert "The caps were changed." in ada.send(form, token_cap="6,000,000", cost_cap="$2.50").text
    changed = get_run(failed.service.db, "capped")
    assert (changed.token_cap, changed.cost_cap) == (6_000_000, Decimal("2.5"))
