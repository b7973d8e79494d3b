"""What the children of a run see: the user's environment without secrets and without ours."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_PACKAGE_SOURCES = re.compile(
    r"UV_(CACHE_DIR|INDEX.*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|NATIVE_TLS"
    r"|SYSTEM_CERTS|KEYRING_PROVIDER|INSECURE_HOST|HTTP_TIMEOUT|LINK_MODE)"
)
"""Settings of uv that say where packages come from; the rest of UV_* says where they go."""

_FOREIGN = re.compile(
    r"(UV|PYTEST|COVERAGE|COV|PREFECT|AUTOPACK|POETRY|PIPENV)_.*"
    r"|VIRTUAL_ENV.*|_OLD_VIRTUAL_.*|DATABASE_URL"
    r"|PYTHON(PATH|HOME|STARTUP|USERBASE|WARNINGS|OPTIMIZE|SAFEPATH|PYCACHEPREFIX|EXECUTABLE)"
    r"|__PYVENV_LAUNCHER__|PIP_(USER|TARGET|PREFIX|ROOT|PYTHON|REQUIRE_VIRTUALENV)"
    # A hook that starts a run has these; they would send a child's git into the user's repository.
    r"|GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR"
    r"|NAMESPACE|PREFIX)"
    # With NODE_ENV=production npm leaves out what the tests need.
    r"|NODE_(ENV|PATH|OPTIONS)"
)
"""What steers tools into other environments, or changes what the project's tests do."""

_SECRETS = re.compile(
    r".*(API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL).*"
    r"|(.*_)?TOKENS?(_.*)?|.*AUTHTOKEN.*|.*_(KEY|AUTH|PAT|DSN|PWD)|PGPASS.*"
    r"|SSH_AUTH_SOCK|KUBECONFIG"
    r"|(ANTHROPIC|OPENAI|AZURE_OPENAI|GEMINI|MISTRAL|GROQ|DEEPSEEK|OPENROUTER|XAI|COHERE)_.*"
)
"""Keys, tokens and passwords by the names they go by, and every setting of model providers."""

_FOR_INSTALLING = re.compile(
    r"UV_INDEX_.*_(USERNAME|PASSWORD)|POETRY_HTTP_BASIC_.*|POETRY_PYPI_TOKEN_.*"
    r"|NPM_TOKEN|NODE_AUTH_TOKEN|SSH_AUTH_SOCK"
)
"""What a private package index asks for: given to the setup, never to builders or validation."""


def child_environment(
    environ: Mapping[str, str],
    *,
    venv: Path | None = None,
    installing: bool = False,
) -> dict[str, str]:
    """The complete environment of a child, made from this process's ``environ``.

    PATH starts with ``venv`` and holds no folder of Autopack's own environment or of one that
    the user has activated. ``installing`` adds the credentials of package indexes.
    """
    variables = {
        name: value
        for name, value in environ.items()
        if _is_kept(name) or (installing and _FOR_INSTALLING.fullmatch(name.upper()))
    }
    for name in [name for name in variables if name.upper() == "PATH"]:
        del variables[name]
    path = _clean_path(environ)
    if venv is not None:
        path.insert(0, str(bin_folder(venv)))
        variables["VIRTUAL_ENV"] = str(venv)
    variables["PATH"] = os.pathsep.join(path)
    # Without an environment of the run, pip must refuse rather than install into the user's.
    variables["PIP_REQUIRE_VIRTUALENV"] = "1"
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    variables["PYTHONUNBUFFERED"] = "1"
    variables["CI"] = "1"
    return variables


def bin_folder(environment: Path) -> Path:
    """Where a Python environment keeps its programs on this system."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def own_bin_folder() -> Path | None:
    """The programs of the environment Autopack runs in; None when that is the machine's own."""
    if sys.prefix == sys.base_prefix:
        return None
    return bin_folder(Path(sys.prefix))


def _is_kept(name: str) -> bool:
    upper = name.upper()
    if _PACKAGE_SOURCES.fullmatch(upper):
        return not upper.endswith(("_USERNAME", "_PASSWORD"))
    return not _FOREIGN.fullmatch(upper) and not _SECRETS.fullmatch(upper)


def _clean_path(environ: Mapping[str, str]) -> list[str]:
    """PATH without relative entries, which would mean the worktree, and without foreign ones."""
    foreign = {_same(folder) for folder in (own_bin_folder(), _activated(environ)) if folder}
    entries = environ.get("PATH", os.defpath).split(os.pathsep)
    return [
        entry
        for entry in entries
        if Path(entry).is_absolute() and _same(Path(entry)) not in foreign
    ]


def _activated(environ: Mapping[str, str]) -> Path | None:
    venv = environ.get("VIRTUAL_ENV")
    return bin_folder(Path(venv)) if venv else None


def _same(folder: Path) -> str:
    return os.path.normcase(os.path.realpath(folder))
