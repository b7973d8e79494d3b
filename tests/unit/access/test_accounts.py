"""Accounts and their passwords, and how often one may be tried."""

import pytest
import sqlalchemy as sa

from autopack.access import accounts, sign_ins
from autopack.access.scopes import ALL, Forbidden, Principal, Scope
from autopack.model.errors import BadInput, NotFound
from autopack.store.tables import api_accounts, api_sign_ins

LOCAL = Principal("somebody", "local", ALL)
PASSWORD = "correct horse battery"


@pytest.fixture
def ada(database):
    return accounts.add_account(database, "Ada", PASSWORD, frozenset({Scope.READ}), LOCAL)


def test_an_account_signs_in_whatever_the_case_of_its_name(database, ada):
    assert accounts.check_sign_in(database, "ADA ", PASSWORD) == ada
    assert ada.name == "ada"


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong"), ("nobody", PASSWORD), ("../x", PASSWORD), ("ada", ""), ("", "")],
)
def test_what_does_not_sign_in(database, ada, name, password):
    assert accounts.check_sign_in(database, name, password) is None


def test_an_inactive_account_does_not_sign_in(database, ada):
    assert accounts.set_active(database, "ada", active=False)
    assert accounts.check_sign_in(database, "ada", PASSWORD) is None
    assert not accounts.set_active(database, "ada", active=False)


def test_a_hash_is_computed_for_a_name_that_does_not_exist(database, monkeypatch):
    seen = []
    hasher = accounts._hasher()
    verify = hasher.verify
    monkeypatch.setattr(
        type(hasher), "verify", lambda self, kept, given: seen.append(kept) or verify(kept, given)
    )
    accounts.check_sign_in(database, "nobody", PASSWORD)
    assert seen == [accounts._hash_of_nobody()]


def test_a_password_is_kept_as_argon2id(database, ada):
    with database.read() as conn:
        kept = conn.execute(sa.select(api_accounts.c.password_hash)).scalar_one()
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept


def test_another_password(database, ada):
    accounts.set_password(database, "ada", "another good password")
    assert accounts.check_sign_in(database, "ada", PASSWORD) is None
    assert accounts.check_sign_in(database, "ada", "another good password") == ada


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [
        ("ada", PASSWORD, "name"),
        ("a b", PASSWORD, "name"),
        ("x" * 65, PASSWORD, "name"),
        ("eve", "short", "password"),
        ("eve", "my name is Eve, really", "password"),
        ("eve", "x" * 1025, "password"),
    ],
)
def test_an_account_that_cannot_be_made(database, ada, name, password, field):
    with pytest.raises(BadInput) as raised:
        accounts.add_account(database, name, password, frozenset({Scope.READ}), LOCAL)
    assert raised.value.field == field
    assert [each.name for each in accounts.list_accounts(database)] == ["ada"]


def test_nobody_makes_an_account_that_may_do_more(database):
    reader = Principal("reader", "token", frozenset({Scope.READ}))
    with pytest.raises(Forbidden):
        accounts.add_account(database, "eve", PASSWORD, ALL, reader)


def test_an_account_that_does_not_exist(database):
    with pytest.raises(NotFound):
        accounts.set_active(database, "nobody", active=False)


def _fail(database, times, account="ada", address="10.0.0.1"):
    for _ in range(times):
        sign_ins.note_sign_in(database, account, address, succeeded=False)


def test_an_account_has_ten_tries_in_a_quarter_of_an_hour(database):
    _fail(database, sign_ins.MOST_OF_ACCOUNT - 1)
    sign_ins.admit(database, "ada", "10.0.0.2")
    _fail(database, 1)
    with pytest.raises(sign_ins.TooManyTries):
        sign_ins.admit(database, "ada", "10.0.0.2")
    sign_ins.admit(database, "eve", "10.0.0.1")


def test_an_address_has_fifty(database):
    for number in range(sign_ins.MOST_OF_ADDRESS):
        _fail(database, 1, account=f"name-{number}")
    with pytest.raises(sign_ins.TooManyTries):
        sign_ins.admit(database, "someone-else", "10.0.0.1")


def test_successes_do_not_count(database):
    for _ in range(sign_ins.MOST_OF_ADDRESS + 1):
        sign_ins.succeed(database, sign_ins.admit(database, "ada", "10.0.0.1"))


def test_a_refused_try_does_not_keep_an_account_shut(database):
    _fail(database, sign_ins.MOST_OF_ACCOUNT)
    for _ in range(3):
        with pytest.raises(sign_ins.TooManyTries):
            sign_ins.admit(database, "ada", "10.0.0.1")
    with database.read() as conn:
        kept = conn.scalar(sa.select(sa.func.count()).select_from(api_sign_ins))
    assert kept == sign_ins.MOST_OF_ACCOUNT


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("unknown", "testclient", False),
    ],
)
def test_who_has_many_addresses_has_no_more_tries(database, one, other, is_same):
    for number in range(sign_ins.MOST_OF_ADDRESS):
        _fail(database, 1, account=f"name-{number}", address=one)
    if not is_same:
        sign_ins.admit(database, "someone-else", other)
        return
    with pytest.raises(sign_ins.TooManyTries):
        sign_ins.admit(database, "someone-else", other)
