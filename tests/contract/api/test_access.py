"""Nothing of the API is open by accident: every route, with everything that must not let in."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute
from joserfc import jwt
from joserfc.jwk import RSAKey
from support.contract_api import LOCAL, PASSWORD, Api

from autopack.access import accounts, audit, program_keys, sign_ins
from autopack.access.scopes import Scope
from autopack.access.signing import AUDIENCE
from autopack.model.errors import Refused
from autopack.store.tables import api_keys
from deployments.api.app import ROUTERS
from deployments.api.serve import Listening, check_listening
from deployments.api.service import Service

OPEN = {
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("GET", "/api/auth/.well-known/jwks.json"),
}
ANY_SCOPE = {
    ("GET", "/api/auth/me"),
    ("GET", "/api/auth/keys"),
    ("POST", "/api/auth/keys"),
    ("DELETE", "/api/auth/keys/{key_id}"),
}
BODY = {"name": "x", "scopes": ["read"], "password": "p", "note": "n"}


def _routes() -> list[tuple[str, str, set[str]]]:
    """Method, path and scopes of every route."""
    found: list[tuple[str, str, set[str]]] = []
    for route in [route for router in ROUTERS for route in router.routes]:
        if isinstance(route, APIRoute):
            scopes = {
                scope
                for each in route.dependant.dependencies
                for scope in (each.own_oauth_scopes or ())
            }
            found += [(method, route.path, scopes) for method in route.methods]
    return found


def _ask(api: Api, method: str, path: str, headers: dict[str, str]) -> Any:
    where = path.format(run_id="run-1", phase_id="one", number=1, key_id="k")
    return api.client.request(method, where, headers=headers, json=_body(path, method))


def _body(path: str, method: str) -> dict[str, Any] | None:
    if method != "POST":
        return None
    wanted = {"/api/auth/keys": ("name", "scopes"), "/cancel": (), "/approve": ("note",)}
    names = next((names for end, names in wanted.items() if path.endswith(end)), ("note",))
    return {name: BODY[name] for name in names}


def test_every_route_says_who_may_use_it(api: Api) -> None:
    for method, path, scopes in _routes():
        if (method, path) in OPEN | ANY_SCOPE:
            assert not scopes
        else:
            assert scopes, f"{method} {path} declares no scope"
    listed = {(method, path) for method, path, _ in _routes()}
    described = api.client.get("/openapi.json").json()["paths"]
    assert listed == {
        (method.upper(), path) for path, methods in described.items() for method in methods
    }


def _claims(api: Api, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": api.service.signer.issuer, "aud": AUDIENCE, "sub": "ada", "type": "access"}
    return claims | {"iat": now, "exp": now + 600, "jti": "1"} | changes


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _intruders(api: Api) -> dict[str, dict[str, str]]:
    """Headers that must let nobody in, by what is wrong with them."""
    good = api.token("ada")["Authorization"].removeprefix("Bearer ")
    kid = api.service.signer.status()["current"]
    signing = api.service.signer._signing_key()
    header = {"alg": "RS256", "kid": kid}
    public = RSAKey.import_key(api.service.signer.public_keys()["keys"][0]).as_pem(private=False)
    hs256 = f"{_part({'alg': 'HS256', 'kid': kid})}.{_part(_claims(api))}"
    forged = base64.urlsafe_b64encode(hmac.digest(public, hs256.encode(), "sha256")).decode()
    other = RSAKey.generate_key(2048, {"kid": kid})
    text, revoked = program_keys.create_key(
        api.service.db, api.service.secret, program_keys.NewKey("r", frozenset(Scope)), LOCAL
    )
    program_keys.revoke_key(api.service.db, revoked.key_id)
    expired, key = program_keys.create_key(
        api.service.db, api.service.secret, program_keys.NewKey("e", frozenset(Scope)), LOCAL
    )
    past = datetime.now(UTC) - timedelta(days=1)
    mine = api_keys.c.key_id == key.key_id
    api.service.db.transact(
        lambda conn: conn.execute(api_keys.update().where(mine).values(expires_at=past))
    )
    gone = api.token("gone")
    accounts.set_active(api.service.db, "gone", active=False)

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    return {
        "nothing": {},
        "an empty key": {"X-API-Key": ""},
        "a wrong key": {"X-API-Key": "ap_" + "x" * 43},
        "a revoked key": {"X-API-Key": text},
        "an expired key": {"X-API-Key": expired},
        "a wrong key beside a good token": {"X-API-Key": "ap_" + "x" * 43} | bearer(good),
        "a good key beside a wrong token": api.key() | bearer("x.y.z"),
        "another kind of authorization": {"Authorization": "Basic YWRhOnBhc3N3b3Jk"},
        "no token": bearer("x.y.z"),
        "an expired token": bearer(jwt.encode(header, _claims(api, exp=1), signing)),
        "another issuer": bearer(jwt.encode(header, _claims(api, iss="autopack:x"), signing)),
        "another audience": bearer(jwt.encode(header, _claims(api, aud="x"), signing)),
        "another type": bearer(jwt.encode(header, _claims(api, type="refresh"), signing)),
        "another signer": bearer(jwt.encode(header, _claims(api), other)),
        "nobody's account": bearer(jwt.encode(header, _claims(api, sub="nobody"), signing)),
        "alg none": bearer(f"{_part({'alg': 'none'})}.{_part(_claims(api))}."),
        "HS256 with the public key": bearer(f"{hs256}.{forged.rstrip('=')}"),
        "an inactive account": gone,
    }


def test_what_lets_nobody_in(api: Api) -> None:
    intruders = _intruders(api)
    before = audit.read_audit(api.service.db)
    for method, path, _ in _routes():
        if (method, path) in OPEN:
            continue
        for name, headers in intruders.items():
            answer = _ask(api, method, path, headers)
            assert answer.status_code == 401, f"{method} {path} with {name}"
            assert answer.headers["content-type"] == "application/problem+json"
            assert "WWW-Authenticate" in answer.headers
    assert audit.read_audit(api.service.db) == before


def test_a_scope_opens_its_own_routes_and_no_other(api: Api) -> None:
    sent = {scope: (api.key(scope), api.token(f"only-{scope}", scope)) for scope in Scope}
    for method, path, needed in _routes():
        if (method, path) in OPEN | ANY_SCOPE:
            continue
        for scope, both in sent.items():
            for headers in both:
                status = _ask(api, method, path, headers).status_code
                assert (status == 403) == (scope.value not in needed), f"{method} {path} {scope}"


def test_a_key_and_a_token_may_do_what_both_may(api: Api) -> None:
    both = api.key(Scope.READ, Scope.RUN) | api.token("reader", Scope.READ)
    assert api.client.get("/api/auth/me", headers=both).json()["scopes"] == ["read"]
    for name, value in both.items():
        twice = [(name, value), (name, value)]
        answer = api.client.get("/api/auth/me", headers=twice)
        assert (answer.status_code, answer.json()["field"]) == (401, name)


def test_nobody_makes_a_key_that_may_do_more(api: Api) -> None:
    wanted = {"name": "wide", "scopes": ["read", "admin"]}
    answer = api.client.post("/api/auth/keys", headers=api.key(Scope.READ), json=wanted)
    assert answer.status_code == 403
    assert "wide" not in [each.name for each in program_keys.list_keys(api.service.db)]


def test_a_key_from_making_to_revoking(api: Api) -> None:
    ada = api.token("ada", Scope.READ, Scope.RUN)
    wanted = {"name": "ci", "scopes": ["read"], "expires": "30d"}
    made = api.client.post("/api/auth/keys", headers=ada, json=wanted).json()
    assert made["changed"] is True
    headers = {"X-API-Key": made["detail"]["key"]}
    me = api.client.get("/api/auth/me", headers=headers).json()
    assert me == {"name": "ada", "via": "key", "scopes": ["read"]}
    listed = api.client.get("/api/auth/keys", headers=ada).text
    assert made["detail"]["key_id"] in listed
    assert made["detail"]["key"] not in listed
    where = f"/api/auth/keys/{made['detail']['key_id']}"
    assert api.client.delete(where, headers=ada).json()["changed"] is True
    assert api.client.delete(where, headers=ada).json()["changed"] is False
    assert api.client.get("/api/auth/me", headers=headers).status_code == 401
    other = api.token("eve", Scope.READ)
    assert api.client.delete(where, headers=other).status_code == 404


def _made(api: Api, headers: dict[str, str], **more: str) -> dict[str, Any]:
    wanted = {"name": "made", "scopes": ["read"], **more}
    answer = api.client.post("/api/auth/keys", headers=headers, json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["detail"]


def _lets_in(api: Api, key: dict[str, Any]) -> bool:
    asked = api.client.get("/api/auth/me", headers={"X-API-Key": key["key"]})
    return asked.status_code == 200


def test_a_key_that_a_key_made_ends_with_it(api: Api) -> None:
    of_ada = _made(api, api.token("ada", Scope.READ))
    lines = [[_made(api, api.key(), expires="30d")], [of_ada]]
    for line in lines:
        for _ in range(2):
            line.append(_made(api, {"X-API-Key": line[-1]["key"]}))
    assert [one["account"] for one in lines[1]] == ["ada"] * 3
    assert len({one["expires_at"] for one in lines[0]}) == 1
    longer = {"name": "longer", "scopes": ["read"], "expires": "31d"}
    headers = {"X-API-Key": lines[0][0]["key"]}
    answer = api.client.post("/api/auth/keys", headers=headers, json=longer)
    assert (answer.status_code, answer.json()["field"]) == (403, "expires")
    accounts.set_active(api.service.db, "ada", active=False)
    assert [[_lets_in(api, one) for one in line] for line in lines] == [[True] * 3, [False] * 3]
    program_keys.revoke_key(api.service.db, lines[0][1]["key_id"])
    assert [_lets_in(api, one) for one in lines[0]] == [True, False, False]


def test_a_token_ends_with_the_password_and_when_its_account_is_kept_out(api: Api) -> None:
    db = api.service.db
    for change in (
        lambda: accounts.set_password(db, "ada", "another good password"),
        lambda: [accounts.set_active(db, "ada", active=one) for one in (False, True)],
    ):
        old = api.token("ada")
        assert api.client.get("/api/auth/me", headers=old).status_code == 200
        change()
        assert api.client.get("/api/auth/me", headers=old).status_code == 401
        assert api.client.get("/api/auth/me", headers=api.token("ada")).status_code == 200


def test_signing_in(api: Api) -> None:
    api.token("ada")
    good = {"name": "Ada", "password": "correct horse battery"}
    answer = api.client.post("/api/auth/login", json=good)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert api.client.get("/api/auth/me", headers=headers).json()["name"] == "ada"
    unknown = api.client.post("/api/auth/login", json=good | {"name": "nobody"})
    wrong = api.client.post("/api/auth/login", json=good | {"password": "x"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json() == wrong.json()


def test_guessing_is_slowed_down(api: Api) -> None:
    for _ in range(sign_ins.MOST_OF_ACCOUNT):
        sign_ins.note_sign_in(api.service.db, "ada", "testclient", succeeded=False)
    api.token("ada")
    good = {"name": "ada", "password": "correct horse battery"}
    answer = api.client.post("/api/auth/login", json=good)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_of_many_guesses_at_once_no_more_are_looked_at(api: Api) -> None:
    wrong = {"name": "ada", "password": "wrong horse battery"}
    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(api.client.post, "/api/auth/login", json=wrong)
            for _ in range(2 * sign_ins.MOST_OF_ACCOUNT)
        ]
        told = [one.result().status_code for one in asked]
    assert set(told) <= {401, 429}
    assert told.count(401) <= sign_ins.MOST_OF_ACCOUNT


def test_registration_is_closed_unless_it_is_opened(api: Api, opened: Any) -> None:
    eve = {"name": "eve", "password": "a long enough one"}
    assert api.client.post("/api/auth/register", json=eve).status_code == 403
    answer = opened(registration=True).client.post("/api/auth/register", json=eve)
    assert (answer.status_code, answer.json()["scopes"]) == (201, ["read"])


def test_where_others_reach_it_somebody_can_sign_in(service: Service) -> None:
    db, elsewhere = service.db, Listening("0.0.0.0", 0)

    def is_refused() -> bool:
        try:
            check_listening(service, elsewhere)
        except Refused:
            return True
        return False

    assert is_refused()
    new = program_keys.NewKey("k", frozenset({Scope.READ}))
    _, key = program_keys.create_key(db, service.secret, new, LOCAL)
    accounts.add_account(db, "ada", PASSWORD, frozenset({Scope.READ}), LOCAL)
    assert not is_refused()
    program_keys.revoke_key(db, key.key_id)
    assert not is_refused()
    accounts.set_active(db, "ada", active=False)
    assert is_refused()
    check_listening(service, Listening("127.0.0.1", 0))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_no_other_program_reads_the_secrets_of_the_server(service: Service) -> None:
    code = (
        "import ctypes, os\n"
        "from autopack.settings import Settings\n"
        "from deployments.api.serve import Listening, serve\n"
        "from deployments.api.service import Service\n"
        "service = Service.open(Settings.from_environment(), os.environ)\n"
        "get_dumpable = lambda _: os._exit(40 + ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        "serve(service, Listening('127.0.0.1', 0), say=get_dumpable)\n"
    )
    service.db.close()  # the same database, which is there
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 40


def test_sign_ins_and_changes_are_in_the_audit(api: Api) -> None:
    api.client.post("/api/auth/login", json={"name": "ada", "password": "x"})
    api.client.post("/api/auth/keys", headers=api.key(), json={"name": "ci", "scopes": ["read"]})
    entries, _ = audit.read_audit(api.service.db)
    assert [(one.action, one.outcome, one.address) for one in entries] == [
        ("key.create", "done", "testclient"),
        ("account.sign_in", "refused", "testclient"),
    ]
