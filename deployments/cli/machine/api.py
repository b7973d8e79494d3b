"""`autopack api`: serving the HTTP API, and who may use it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from cyclopts import App, Parameter

from autopack.access import accounts, audit, program_keys
from autopack.access.audit import Deed
from autopack.access.key_lifetime import parse_expiry
from autopack.access.program_keys import NewKey
from autopack.access.scopes import ALL, Principal, Scope, parse_scopes
from autopack.access.secret import api_secret
from autopack.access.signing import TokenSigner
from autopack.model.errors import BadInput
from autopack.model.locations import utf8
from autopack.runs.approval import who
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.views.run_view import timestamp
from deployments.cli.shared.output import (
    After,
    AsJson,
    Limit,
    note,
    out,
    plain_table,
    print_json,
)
from deployments.cli.shared.paging import page_of, say_more

app = App(name="api", help_format="plaintext")
user = App(name="user", help="Accounts of people.", help_format="plaintext")
key = App(name="keys", help="Keys of programs, and the keys that sign tokens.")
app.command(user)
app.command(key)

Scopes = Annotated[
    tuple[str, ...],
    Parameter(
        name="--scope",
        negative="",
        help=f"What may be done: {', '.join(Scope)}; may be repeated.",
    ),
]


@app.default
def serve(
    *,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0 takes any that is free.")] = 4280,
    as_json: AsJson = False,
) -> int:
    """Serve runs over HTTP.

    Until it is interrupted; runs do not depend on it.
    """
    from deployments.api.serve import Listening
    from deployments.api.serve import serve as serve_api
    from deployments.api.service import Service

    service = Service.open(Settings.from_environment(), process_environment())
    serve_api(
        service,
        Listening(host, port),
        say=lambda url: print_json({"url": url}) if as_json else out.print(url),
    )
    return 0


@user.command(name="add")
def add_user(
    name: Annotated[str, Parameter(help="The account's name.")],
    *,
    scope: Scopes = (Scope.READ.value,),
    as_json: AsJson = False,
) -> int:
    """Make an account; its password is asked for, or read from standard input."""
    db, _ = _opened()
    made = accounts.add_account(db, name, _password(), parse_scopes(scope, field="--scope"), _me())
    audit.note(db, _me(), Deed("account.add", made.name))
    if as_json:
        print_json({"name": made.name, "scopes": sorted(made.scopes), "active": made.active})
    else:
        out.print(f"{made.name} may {', '.join(sorted(made.scopes))}")
    return 0


@user.command(name="list")
def list_users(*, limit: Limit = 1000, after: After = None, as_json: AsJson = False) -> int:
    """List the accounts."""
    db, _ = _opened()
    rows = [
        {
            "name": each.name,
            "scopes": sorted(each.scopes),
            "active": each.active,
            "created_at": timestamp(each.created_at),
            "created_by": each.created_by,
        }
        for each in accounts.list_accounts(db)
    ]
    page, cursor = page_of(rows, lambda row: str(row["name"]), limit, after)
    return _print_page("accounts", page, cursor, as_json)


@user.command
def password(
    name: Annotated[str, Parameter(help="The account's name.")], *, as_json: AsJson = False
) -> int:
    """Give an account another password, asked for or read from standard input."""
    db, _ = _opened()
    accounts.set_password(db, name, _password())
    audit.note(db, _me(), Deed("account.password", name))
    print_json({"name": name}) if as_json else out.print(f"{name} has another password")
    return 0


@user.command
def disable(
    name: Annotated[str, Parameter(help="The account's name.")], *, as_json: AsJson = False
) -> int:
    """Keep an account out at once, its tokens and keys too."""
    return _set_active(name, active=False, as_json=as_json)


@user.command
def enable(
    name: Annotated[str, Parameter(help="The account's name.")], *, as_json: AsJson = False
) -> int:
    """Let an account in again."""
    return _set_active(name, active=True, as_json=as_json)


@key.command(name="create")
def create_key(
    name: Annotated[str, Parameter(help="What will use it, such as nightly-ci.")],
    *,
    scope: Scopes = (Scope.READ.value,),
    expires: Annotated[str | None, Parameter(help="When it ends: 90d, or a date.")] = None,
    as_json: AsJson = False,
) -> int:
    """Make a key for a program, and show it: it is shown this once."""
    db, settings = _opened()
    wanted = NewKey(
        name,
        parse_scopes(scope, field="--scope"),
        expires_at=parse_expiry(expires, datetime.now(UTC), "--expires"),
    )
    text, made = program_keys.create_key(
        db, api_secret(settings.home, process_environment()), wanted, _me()
    )
    audit.note(db, _me(), Deed("key.create", made.key_id))
    if as_json:
        print_json({"key": text, "key_id": made.key_id, "name": made.name, "scopes": sorted(scope)})
        return 0
    sys.stdout.write(f"{text}\n")
    note("this is shown once: keep it where secrets are kept")
    return 0


@key.command(name="list")
def list_keys(*, limit: Limit = 1000, after: After = None, as_json: AsJson = False) -> int:
    """List the keys of programs, without their text."""
    from deployments.api.routes.keys import key_view

    db, _ = _opened()
    rows = [key_view(each) for each in program_keys.list_keys(db)]
    shown = ("key_id", "name", "scopes", "account", "expires_at", "revoked_at", "last_used_at")
    page, cursor = page_of(rows, lambda row: str(row["key_id"]), limit, after)
    return _print_page("keys", page, cursor, as_json, shown)


@key.command
def revoke(
    key_id: Annotated[str, Parameter(help="As `autopack api keys list` shows it.")],
    *,
    as_json: AsJson = False,
) -> int:
    """End a key at once."""
    db, _ = _opened()
    changed = program_keys.revoke_key(db, key_id)
    audit.note(db, _me(), Deed("key.revoke", key_id))
    if as_json:
        print_json({"key_id": key_id, "changed": changed})
    else:
        out.print(f"{key_id} {'is revoked' if changed else 'was revoked before'}")
    return 0


@key.command
def rotate(*, as_json: AsJson = False) -> int:
    """Sign tokens with a new key; those of the old one hold until they expire."""
    db, settings = _opened()
    signer = TokenSigner(
        db, api_secret(settings.home, process_environment()), process_environment()
    )
    kid = signer.rotate()
    audit.note(db, _me(), Deed("signing_key.rotate", kid))
    print_json(signer.status()) if as_json else out.print(f"tokens are signed with {kid} now")
    return 0


@app.command(name="audit")
def show_audit(
    *,
    limit: Limit = 1000,
    after: Annotated[int | None, Parameter(help="The cursor of the page before.")] = None,
    as_json: AsJson = False,
) -> int:
    """List what was changed and who signed in, newest first."""
    db, _ = _opened()
    entries, cursor = audit.read_audit(db, limit=limit, before=after)
    rows = [
        {
            "at": timestamp(each.at),
            "who": each.who,
            "via": each.via,
            "address": each.address,
            "action": each.action,
            "target": each.target,
            "outcome": each.outcome,
            "detail": each.detail,
        }
        for each in entries
    ]
    shown = tuple(rows[0])[:-1] if rows else ()
    return _print_page("entries", rows, cursor, as_json, shown)


def _opened() -> tuple[Database, Settings]:
    settings = Settings.from_environment()
    return Database.open(settings.database_url), settings


def _me() -> Principal:
    return Principal(who(), "local", ALL)


def _set_active(name: str, *, active: bool, as_json: bool) -> int:
    db, _ = _opened()
    changed = accounts.set_active(db, name, active)
    audit.note(db, _me(), Deed("account.enable" if active else "account.disable", name))
    if as_json:
        print_json({"name": name, "active": active, "changed": changed})
        return 0
    state = "may sign in" if active else "may not sign in"
    out.print(f"{name} {state}{'' if changed else ', as before'}")
    return 0


def _password() -> str:
    """Return a password. Raises BadInput where two that are typed differ, or one is not UTF-8."""
    try:
        return utf8(_typed_password())
    except ValueError as error:
        raise BadInput(
            "the password is not UTF-8 text", field="password", hint="write it in UTF-8"
        ) from error


def _typed_password() -> str:
    """Return what is typed twice at a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    from getpass import getpass

    first = getpass("password: ")
    if getpass("again: ") != first:
        raise BadInput("the two differ", field="password", hint="type the same twice")
    return first


def _print_page(
    name: str,
    rows: list[dict[str, Any]],
    cursor: str | int | None,
    as_json: bool,
    shown: tuple[str, ...] = (),
) -> int:
    if as_json:
        print_json({name: rows, "next_cursor": cursor})
        return 0
    headers = shown or tuple(rows[0] if rows else ())
    table = plain_table(*(each.replace("_", " ") for each in headers))
    for row in rows:
        table.add_row(*(_cell(row[each]) for each in headers))
    out.print(table if rows else f"no {name}")
    say_more(None if cursor is None else str(cursor))
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    return "" if value is None else str(value)
