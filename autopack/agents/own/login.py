"""The login that a user's own agent has: read, and copied for a build without its refresh token.

With the refresh token a build could renew the login, and the user's own copy would be worth
nothing from then on. Nothing is ever written back.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from autopack.model.errors import BadInput

_LONGEST = 1024 * 1024


@dataclass(frozen=True)
class Login:
    """``content`` is the file that a build gets, ``secrets`` what of it must not be kept."""

    content: str
    secrets: tuple[str, ...]


def claude_login(environ: Mapping[str, str], now: datetime | None = None) -> Login:
    """Return the login of Claude Code. Raises BadInput when there is none, or it has expired."""
    path = _folder(environ, "CLAUDE_CONFIG_DIR", ".claude") / ".credentials.json"
    hint = "log in with `claude`, or set CLAUDE_CODE_OAUTH_TOKEN from `claude setup-token`"
    login = _object(_read(path, hint).get("claudeAiOauth"))
    token = login.get("accessToken")
    if not isinstance(token, str) or not token:
        raise _without(path, hint)
    expires = login.get("expiresAt")
    if isinstance(expires, int | float):
        _check_valid(path, expires / 1000, "start `claude` once, which renews it", now)
    kept = {name: value for name, value in login.items() if name != "refreshToken"}
    return Login(json.dumps({"claudeAiOauth": kept}), (token,))


def codex_login(environ: Mapping[str, str], now: datetime | None = None) -> Login:
    """Return the ChatGPT session of codex. Raises BadInput when there is none, or it expired."""
    path = _folder(environ, "CODEX_HOME", ".codex") / "auth.json"
    hint = "log in with `codex login`, or set OPENAI_API_KEY"
    whole = _read(path, hint)
    tokens = _object(whole.get("tokens"))
    token = tokens.get("access_token")
    if not isinstance(token, str) or not token:
        raise _without(path, hint)
    expires = _expiry_of(token)
    if expires is not None:
        _check_valid(path, expires, "start `codex` once, which renews it", now)
    kept = whole | {"OPENAI_API_KEY": None, "tokens": tokens | {"refresh_token": ""}}
    # Otherwise codex tries to renew what is older than some days.
    kept["last_refresh"] = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = (token, tokens.get("id_token"))
    return Login(json.dumps(kept), tuple(one for one in found if isinstance(one, str)))


def is_there(login: Callable[[Mapping[str, str]], Login], environ: Mapping[str, str]) -> bool:
    """Return whether a login could be used."""
    try:
        login(environ)
    except BadInput:
        return False
    return True


def _folder(environ: Mapping[str, str], variable: str, name: str) -> Path:
    own = environ.get(variable)
    return Path(own) if own else Path.home() / name


def _read(path: Path, hint: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            whole: object = json.loads(file.read(_LONGEST))
    except FileNotFoundError:
        raise _without(path, hint) from None
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise BadInput(f"{path} cannot be read: {words}", field="auth", hint=hint) from None
    return _object(whole)


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _without(path: Path, hint: str) -> BadInput:
    return BadInput(f"auth=login finds no login in {path}", field="auth", hint=hint)


def _check_valid(path: Path, expires: float, hint: str, now: datetime | None) -> None:
    try:
        end = datetime.fromtimestamp(expires, UTC)
    except (OverflowError, ValueError, OSError):
        return
    if end <= (now or datetime.now(UTC)):
        when = end.strftime("%Y-%m-%d %H:%M UTC")
        raise BadInput(f"the login in {path} expired on {when}", field="auth", hint=hint)


def _expiry_of(token: str) -> float | None:
    """Return the time that a JSON web token says it ends, in seconds; None for another token."""
    parts = token.split(".")
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError):
        return None
    ends = _object(body).get("exp")
    return float(ends) if isinstance(ends, int | float) else None
