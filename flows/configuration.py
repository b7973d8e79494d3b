"""Prefect's own configuration, as Prefect reads it: environment, .env, prefect.toml,
[tool.prefect] of pyproject.toml, and the active profile.

Loading Prefect takes a second, so a process of its own is asked, and only where something may be
configured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from autopack.model.errors import BadInput
from autopack.model.locations import expanded
from autopack.settings import PREFECT_API_URL, process_environment

_ASKED = Path(__file__).with_name("asking_prefect.py")
_SECONDS = 60
_ANY_TEXT = frozenset(
    {
        "PREFECT_API_URL",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_KEY",
        "PREFECT_API_SSL_CERT_FILE",
        "PREFECT_HOME",
        "PREFECT_PROFILE",
        "PREFECT_PROFILES_PATH",
    }
)
"""Settings for which Prefect takes any text."""


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


def check_configuration() -> None:
    """Raise BadInput when Prefect could not be loaded here: something that it reads is wrong."""
    if _is_configured():
        configured()


def _is_configured() -> bool:
    """Return whether there is a setting here that may be wrong; a server is asked for itself."""
    return (
        Path("prefect.toml").exists()
        or _says(Path(".env"), "prefect")
        or _says(Path("pyproject.toml"), "tool.prefect")
        or not _is_read_by(str, Path(".env"))
        or not _is_read_by(tomllib.loads, Path("pyproject.toml"))
        or any(name.startswith("PREFECT_") for name in process_environment().keys() - _ANY_TEXT)
    )


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


def _is_read_by(parse: Callable[[str], object], path: Path) -> bool:
    """Return whether a file holds text, of the kind that ``parse`` reads, or is not there."""
    try:
        parse(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    except OSError:
        pass
    return True


@lru_cache(maxsize=8)
def _asked(environ: tuple[tuple[str, str], ...], folder: str) -> Configured:
    done = subprocess.run(
        [sys.executable, "-P", str(_ASKED)],
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
            f"Prefect cannot be loaded: {said[-1] if said else 'no output'}", field="prefect"
        )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if "problem" not in found:
        return Configured(**found)
    setting, place, text = (found["problem"][key] for key in ("setting", "place", "text"))
    of_setting = "" if setting is None else f"{setting}: "
    raise BadInput(
        f"Prefect cannot read its configuration in {place}: {of_setting}{text}",
        field=setting or place,
        hint=f"correct it in {place}, or take it out",
    )
