"""The process that reads Prefect's configuration: it prints what is set, or what is wrong, as JSON.

It is started by its path, for loading Prefect fails where its configuration is wrong.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autopack.settings import process_environment

FILES = ("prefect.toml", "pyproject.toml", ".env")
"""What Prefect reads in the folder that it is started in."""


def main() -> None:
    """Print one JSON object."""
    try:
        answer = _settings()
    except Exception as error:
        answer = {"problem": _problem(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


def _settings() -> dict[str, Any]:
    from prefect.settings import Settings

    settings = Settings()
    key, login = _shown(settings.api.key), _shown(settings.api.auth_string)
    headers = dict(settings.client.custom_headers)
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    elif key:
        headers["Authorization"] = "Bearer " + key
    verify = settings.api.ssl_cert_file or True
    if settings.api.tls_insecure_skip_verify:
        verify = False
    return {"api_url": settings.api.url, "headers": headers, "verify": verify}


def _shown(secret: Any) -> str | None:
    return secret.get_secret_value() if hasattr(secret, "get_secret_value") else secret


def _problem(error: Exception) -> dict[str, Any]:
    """Return the setting at fault, where it is, and what is wrong; None for what is not known.

    The value itself may be a key, and is not told.
    """
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_context=False)[0]
        name = _variable(error.title, str(first["loc"][0]) if first["loc"] else "")
        return {"setting": name, "place": _place_of(name), "text": first["msg"]}
    text = (str(error) or type(error).__name__).splitlines()[0]
    text = text.removeprefix("Failed to load Prefect settings from ")
    if isinstance(error, UnicodeDecodeError):
        place = next((name for name in FILES if not _is_text(Path(name))), None)
        return {"setting": None, "place": place, "text": "it is no UTF-8 text"}
    named = next((name for name in FILES if text.startswith(name)), None)
    if named is not None:
        return {"setting": None, "place": named, "text": text.removeprefix(f"{named}: ")}
    present = [name for name in FILES if Path(name).is_file()]
    place = " or ".join(present) or "the environment"
    return {"setting": None, "place": place, "text": text}


def _variable(group: str, key: str) -> str:
    """Return the environment variable of a setting, which is known by its class and its key."""
    from prefect.settings.base import PrefectBaseSettings

    if key.lower().startswith("prefect_"):
        return key.upper()
    prefixes = {
        each.__name__: str(each.model_config.get("env_prefix", ""))
        for each in _below(PrefectBaseSettings)
    }
    return (prefixes.get(group, "PREFECT_") + key).upper()


def _below(group: type[Any]) -> Iterator[type[Any]]:
    for each in group.__subclasses__():
        yield each
        yield from _below(each)


def _place_of(variable: str) -> str:
    """Return where a setting is given: the first of the places, in Prefect's order, that has it."""
    if variable in map(str.upper, process_environment()):
        return "the environment"
    key = variable.rpartition("_")[2].lower()
    for name in (".env", "prefect.toml", "pyproject.toml"):
        wanted = variable.lower() if name == ".env" else key
        path = Path(name)
        if path.is_file() and wanted in path.read_text("utf-8", "replace").lower():
            return name
    return "the active profile"


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    except OSError:
        pass
    return True


if __name__ == "__main__":
    main()
