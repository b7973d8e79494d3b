"""Prefect's own configuration, as Prefect reads it: environment, .env, prefect.toml,
[tool.prefect] of pyproject.toml, and the active profile.

Loading Prefect takes a second, so a process of its own is asked, and only where something may be
configured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from autopack.model.errors import BadInput
from autopack.model.locations import expanded
from autopack.settings import PREFECT_API_URL, process_environment

_ASK = """
import base64, json, sys
from prefect.settings import Settings
settings = Settings()
def shown(secret):
    return secret.get_secret_value() if hasattr(secret, "get_secret_value") else secret
key, login = shown(settings.api.key), shown(settings.api.auth_string)
headers = dict(settings.client.custom_headers)
if login:
    headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
elif key:
    headers["Authorization"] = "Bearer " + key
verify = settings.api.ssl_cert_file or True
if settings.api.tls_insecure_skip_verify:
    verify = False
found = {"api_url": settings.api.url, "headers": headers, "verify": verify}
"""
_SECONDS = 60


@dataclass(frozen=True)
class Configured:
    """What Prefect's client would use: the API, the headers of every call, and how certificates
    are checked (a file of authorities, or whether at all).
    """

    api_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    verify: bool | str = True


def configured_url() -> str | None:
    """Return the API that Prefect's configuration names. Raises BadInput when it cannot be read."""
    url = PREFECT_API_URL.of()
    if url:  # nothing comes before it
        return url
    return configured().api_url if _may_name_a_server() else None


def configured() -> Configured:
    """Prefect's configuration here and now. Raises BadInput when it cannot be read."""
    names = sorted((k, v) for k, v in process_environment().items() if k.startswith("PREFECT_"))
    return _asked(tuple(names), str(Path.cwd()))


def _may_name_a_server() -> bool:
    """Return whether any place that Prefect looks into says something about its API."""
    home = expanded(process_environment().get("PREFECT_HOME") or "~/.prefect", "PREFECT_HOME")
    profiles = Path(process_environment().get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    return (
        _says(profiles, "PREFECT_API_URL")
        or _says(Path("prefect.toml"), "url")
        or _says(Path("pyproject.toml"), "tool.prefect")
        or _says(Path(".env"), "prefect_api_url")
    )


def _says(path: Path, word: str) -> bool:
    try:
        return word.lower() in path.read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        return False


@lru_cache(maxsize=8)
def _asked(environ: tuple[tuple[str, str], ...], folder: str) -> Configured:
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{_ASK}\nprint(json.dumps(found))"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise BadInput(
            f"Prefect cannot read its own configuration: {said[-1] if said else 'no output'}",
            field="PREFECT_API_URL",
            hint="`prefect config view` shows where each setting comes from",
        )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return Configured(**found)
