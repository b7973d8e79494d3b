"""API keys: what is stored, who may make which, when one ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from autopack.access import accounts, program_keys
from autopack.access.key_text import SHAPE, check_key, checksum, new_key
from autopack.access.program_keys import NewKey
from autopack.access.scopes import ALL, Forbidden, Principal, Scope, parse_scopes
from autopack.access.secret import ApiSecret
from autopack.model.errors import BadInput, NotFound
from autopack.store.tables import api_keys

LOCAL = Principal("somebody", "local", ALL)
SECRET = ApiSecret(b"s" * 32, "test")
CI = NewKey("nightly-ci", frozenset({Scope.READ, Scope.RUN}))
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_key_opens_what_it_was_made_for(database):
    text, key = program_keys.create_key(database, SECRET, CI, LOCAL)
    found = program_keys.use_key(database, SECRET, text)
    assert found == Principal("key nightly-ci", "key", CI.scopes)
    assert program_keys.list_keys(database)[0].last_used_at is not None
    assert key.last_used_at is None


def test_the_text_of_a_key_is_stored_nowhere(database):
    text, _ = program_keys.create_key(database, SECRET, CI, LOCAL)
    with database.read() as conn:
        stored = str(conn.execute(sa.select(api_keys)).mappings().all())
    assert text not in stored
    assert text[3:20] not in stored


def test_a_copied_database_checks_no_key_without_the_secret(database):
    text, _ = program_keys.create_key(database, SECRET, CI, LOCAL)
    assert program_keys.use_key(database, ApiSecret(b"t" * 32, "test"), text) is None


def test_a_revoked_key_ends_at_once(database):
    text, key = program_keys.create_key(database, SECRET, CI, LOCAL)
    assert program_keys.revoke_key(database, key.key_id)
    assert program_keys.use_key(database, SECRET, text) is None
    assert not program_keys.revoke_key(database, key.key_id)  # repeated: nothing to do


def test_an_expired_key_ends(database):
    text, _ = program_keys.create_key(database, SECRET, replace(CI, expires_at=LATER), LOCAL)
    assert program_keys.use_key(database, SECRET, text) is not None
    past = datetime.now(UTC) - timedelta(days=1)
    database.transact(lambda conn: conn.execute(api_keys.update().values(expires_at=past)))
    assert program_keys.use_key(database, SECRET, text) is None


def test_a_key_ends_with_its_account(database):
    accounts.add_account(database, "ada", "correct horse battery", ALL, LOCAL)
    text, _ = program_keys.create_key(database, SECRET, replace(CI, account="ada"), LOCAL)
    found = program_keys.use_key(database, SECRET, text)
    assert found is not None
    assert found.name == "ada"
    accounts.set_active(database, "ada", active=False)
    assert program_keys.use_key(database, SECRET, text) is None


def test_nobody_gives_what_they_do_not_have(database):
    maker = Principal("reader", "key", frozenset({Scope.READ}))
    with pytest.raises(Forbidden, match="run"):
        program_keys.create_key(database, SECRET, CI, maker)
    assert program_keys.list_keys(database) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires"),
    ],
)
def test_a_key_that_cannot_be_made(database, change, field):
    with pytest.raises(BadInput) as raised:
        program_keys.create_key(database, SECRET, replace(CI, **change), LOCAL)
    assert raised.value.field == field
    assert program_keys.list_keys(database) == []


def test_an_account_revokes_only_its_own_keys(database):
    _, key = program_keys.create_key(database, SECRET, CI, LOCAL)
    with pytest.raises(NotFound):
        program_keys.revoke_key(database, key.key_id, account="ada")


def test_a_key_is_prefix_37_random_characters_and_a_checksum():
    text = new_key()
    found = SHAPE.fullmatch(text)
    assert found is not None
    assert len(found[1]) == 37
    assert check_key(text) == text
    assert new_key() != text


@pytest.mark.parametrize("position", range(3, 46))
def test_one_wrong_character_anywhere_is_told_without_a_database(position):
    text = "ap_" + "k" * 37 + checksum("k" * 37)
    wrong = text[:position] + ("a" if text[position] != "a" else "b") + text[position + 1 :]
    with pytest.raises(BadInput, match="mistyped"):
        check_key(wrong)


@pytest.mark.parametrize("text", ["", "ap_", "sk-123", "ap_" + "ü" * 43, "ap_" + "k" * 44])
def test_what_cannot_be_a_key(text):
    with pytest.raises(BadInput):
        check_key(text)


@pytest.mark.parametrize("names", [[], ["everything"], ["read", "READ"]])
def test_scopes_that_do_not_exist(names):
    with pytest.raises(BadInput, match="scope"):
        parse_scopes(names)
