"""Signed tokens: which hold, and which do not."""

import base64
import hmac
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy.exc import DBAPIError

from autopack.access import audit
from autopack.access.scopes import ALL, Principal
from autopack.access.secret import ApiSecret, api_secret
from autopack.access.signing import AUDIENCE, BadToken, TokenSigner
from autopack.model.errors import BadInput, Refused
from autopack.store.tables import api_audit, api_signing_keys

SECRET = ApiSecret(b"s" * 32, "home")


@pytest.fixture
def signer(database):
    return TokenSigner(database, SECRET, {})


def test_a_token_says_whose_it_is_for_an_hour(signer):
    token, claims = signer.issue("ada")
    assert signer.check(token) == claims
    assert claims.subject == "ada"
    assert 3590 < claims.expires_at.timestamp() - time.time() < 3610


def test_processes_of_one_home_agree(signer, database):
    token, _ = signer.issue("ada")
    other = TokenSigner(database, SECRET, {})
    assert other.check(token).subject == "ada"
    assert signer.check(other.issue("eve")[0]).subject == "eve"
    assert len(signer.public_keys()["keys"]) == 1


def _claims(signer, **changes):
    now = int(time.time())
    claims = {
        "iss": signer.issuer,
        "aud": AUDIENCE,
        "sub": "ada",
        "iat": now,
        "exp": now + 600,
        "jti": "1",
        "type": "access",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "autopack:another"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": "soon"},
        {"type": "refresh"},
        {"type": None},
        {"sub": None},
        {"jti": None},
    ],
)
def test_a_signed_token_that_says_something_else(signer, changes):
    key = signer._signing_key()
    header = {"alg": "RS256", "kid": key.kid}
    assert signer.check(jwt.encode(header, _claims(signer), key)).subject == "ada"
    with pytest.raises(BadToken):
        signer.check(jwt.encode(header, _claims(signer, **changes), key))


def test_a_token_of_another_key(signer):
    signer.issue("ada")
    mine = RSAKey.generate_key(2048, {"kid": signer.status()["current"]})
    with pytest.raises(BadToken):
        signer.check(jwt.encode({"alg": "RS256", "kid": mine.kid}, _claims(signer), mine))


def _base64(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _part(value):
    return _base64(json.dumps(value).encode())


def test_a_token_that_nobody_signed(signer):
    signer.issue("ada")

    for algorithm in ("none", "None", ""):
        header = _part({"alg": algorithm, "kid": signer.status()["current"]})
        with pytest.raises(BadToken):
            signer.check(f"{header}.{_part(_claims(signer))}.")


def test_a_token_signed_with_the_public_key_as_a_password(signer):
    public = signer.public_keys()["keys"][0] if signer.issue("ada") else {}
    pem = RSAKey.import_key(public).as_pem(private=False)
    for password in (pem, pem.strip(), json.dumps(public).encode()):
        signed = f"{_part({'alg': 'HS256', 'kid': public['kid']})}.{_part(_claims(signer))}"
        signature = hmac.digest(password, signed.encode(), "sha256")
        with pytest.raises(BadToken):
            signer.check(f"{signed}.{_base64(signature)}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "ü", "." * 1000, "null.null.null"])
def test_what_is_no_token(signer, text):
    with pytest.raises(BadToken):
        signer.check(text)


def test_every_changed_character_of_a_signature_is_noticed(signer):
    token, _ = signer.issue("ada")
    head, _, signature = token.rpartition(".")
    for position in range(0, len(signature) - 1, 20):
        other = "A" if signature[position] != "A" else "B"
        with pytest.raises(BadToken):
            signer.check(f"{head}.{signature[:position]}{other}{signature[position + 1 :]}")


def test_tokens_of_a_rotated_key_hold_until_they_expire(signer, database):
    old, _ = signer.issue("ada")
    kid = signer.rotate()
    new, _ = signer.issue("ada")
    assert signer.check(old).subject == signer.check(new).subject == "ada"
    assert signer.public_keys()["keys"][0]["kid"] == kid
    assert len(signer.public_keys()["keys"]) == 2
    before = datetime.now(UTC) - timedelta(hours=2)
    retired = api_signing_keys.c.retired_at.is_not(None)
    database.transact(
        lambda conn: conn.execute(
            api_signing_keys.update().where(retired).values(retired_at=before)
        )
    )
    assert len(signer.public_keys()["keys"]) == 1
    with pytest.raises(BadToken):
        signer.check(old)


def test_no_private_key_is_shown_or_stored_in_the_open(signer, database):
    signer.issue("ada")
    shown = json.dumps([signer.public_keys(), signer.status()])
    assert '"d"' not in shown
    with database.read() as conn:
        stored = conn.execute(sa.select(api_signing_keys)).mappings().one()
    assert "PRIVATE" not in stored["sealed"]
    assert "d" not in stored["public_jwk"]


def test_another_secret_is_named(signer, database):
    signer.issue("ada")
    other = TokenSigner(database, ApiSecret(b"t" * 32, "home"), {})
    with pytest.raises(Refused, match="another secret"):
        other.issue("ada")
    other.rotate()
    assert other.check(other.issue("ada")[0]).subject == "ada"


def test_a_key_of_the_environment(database):
    pem = RSAKey.generate_key(2048).as_pem(private=True).decode()
    signer = TokenSigner(database, SECRET, {"AUTOPACK_API_SIGNING_KEY": pem})
    assert signer.check(signer.issue("ada")[0]).subject == "ada"
    assert signer.status()["source"] == "environment"
    with pytest.raises(Refused):
        signer.rotate()
    with pytest.raises(BadInput):
        TokenSigner(database, SECRET, {"AUTOPACK_API_SIGNING_KEY": "-----BEGIN nonsense"})


def test_the_secret_of_a_home_is_made_once(tmp_path):
    first, second = api_secret(tmp_path, {}), api_secret(tmp_path, {})
    assert first.digest("key", "x") == second.digest("key", "x")
    assert (tmp_path / "api" / "secret").stat().st_mode & 0o077 == 0
    given = api_secret(tmp_path, {"AUTOPACK_API_SECRET": "g" * 32})
    assert given.digest("key", "x") != first.digest("key", "x")
    assert "g" * 32 not in repr(given)
    with pytest.raises(BadInput, match="AUTOPACK_API_SECRET"):
        api_secret(tmp_path, {"AUTOPACK_API_SECRET": "short"})


def test_the_audit_only_grows(database):
    somebody = Principal("ada", "key", ALL)
    for number in range(3):
        audit.note(database, somebody, audit.Deed("run.cancel", f"run-{number}"), address="::1")
    for change in (api_audit.update().values(who="eve"), api_audit.delete()):
        with pytest.raises(DBAPIError, match="append-only"):
            database.transact(lambda conn, change=change: conn.execute(change))
    page, after = audit.read_audit(database, limit=2)
    rest, end = audit.read_audit(database, limit=2, before=after)
    assert [one.target for one in page + rest] == ["run-2", "run-1", "run-0"]
    assert end is None
