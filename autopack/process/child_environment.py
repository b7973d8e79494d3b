"""What the children of a run see: variables on a list and those passed on purpose, no secret."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from autopack.model.errors import BadInput
from autopack.secrecy.credentials import is_secret, names_a_secret
from autopack.settings import PASS_ENV
from autopack.toolchains.toolchain_registry import any_of, toolchains

_MACHINE = (
    r"HOME|USER|LOGNAME|USERNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TERM|COLORTERM|TERM_PROGRAM"
    r"|(NO|FORCE|CLI)_?COLOR|CLICOLOR(_FORCE)?|COLUMNS|LINES|TMPDIR|TMP|TEMP|PWD|HOSTNAME|SHLVL"
    r"|XDG_(CONFIG|CACHE|DATA|STATE)_(HOME|DIRS)|XDG_RUNTIME_DIR|LOCALE_ARCHIVE|NLSPATH|MANPATH"
    r"|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|IS_SANDBOX|CI|DO_NOT_TRACK|SOURCE_DATE_EPOCH"
    r"|DEBIAN_FRONTEND|EDITOR|VISUAL|PAGER"
    # Windows
    r"|SYSTEM(ROOT|DRIVE)|WINDIR|COMSPEC|PATHEXT|OS|(LOCAL)?APPDATA|ALLUSERSPROFILE|PUBLIC"
    r"|PROGRAM(DATA|FILES(\(X86\))?|W6432)|COMMONPROGRAM(FILES(\(X86\))?|W6432)|USERPROFILE"
    r"|HOME(DRIVE|PATH)|COMPUTERNAME|USERDOMAIN|NUMBER_OF_PROCESSORS|PROCESSOR_\w+"
)
_NETWORK = (
    r"(HTTPS?|FTP|ALL|NO|SOCKS5?|RSYNC)_PROXY|\w+_BASE_URL|SSL_CERT_(FILE|DIR)|\w*CA_BUNDLE"
    r"|\w*CA_?CERTS?(_FILE|_PATH)?|\w*CA_?INFO|GRPC_DEFAULT_SSL_ROOTS_FILE_PATH|DENO_CERT"
    r"|NIX_SSL_CERT_FILE|CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE|GIT_SSL_(CAPATH|NO_VERIFY)"
)
_COMPILING = (
    r"LD_LIBRARY_PATH|DYLD_(FALLBACK_)?LIBRARY_PATH|LIBRARY_PATH|CPATH|\w*_INCLUDE_PATH"
    r"|PKG_CONFIG_\w+|CC|CXX|CPP|LD|AR|AS|NM|FC|RANLIB|STRIP|\w*FLAGS|MAKE(LEVEL|FILES)?|CMAKE_\w+"
    r"|CTEST_\w+|NINJA\w*|CCACHE_\w+|SCCACHE_(DIR|CACHE_SIZE|IDLE_TIMEOUT)|SDKROOT|DEVELOPER_DIR"
    r"|MACOSX_DEPLOYMENT_TARGET|ARCHFLAGS|HOMEBREW_(PREFIX|CELLAR|REPOSITORY)|NIX_(PATH|PROFILES)"
    r"|(OMP|MKL|OPENBLAS|NUMEXPR|VECLIB|BLIS)_\w+|TOKENIZERS_PARALLELISM|CUDA_\w+|(HF|TORCH)_HOME"
    r"|LLVM_\w+|LIBCLANG_PATH|OPENSSL_(DIR|LIB_DIR|INCLUDE_DIR|ROOT_DIR|CONF)"
)
# Version managers and browsers; what one ecosystem needs is its toolchain's.
_TOOLS = (
    r"ASDF_\w+|MISE_\w+|RTX_\w+|CHROME_(BIN|PATH)|CHROMIUM_BIN|FIREFOX_BIN|STACK_ROOT|CABAL_DIR"
)
_FOREIGN = (
    r"(PREFECT|AUTOPACK)_.*|DATABASE_URL"
    # A hook that starts a run has these; they would send a child's git into the user's repository.
    r"|GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR"
    r"|NAMESPACE|PREFIX)"
    # The user's git settings may hold headers and helpers that answer with a password.
    r"|GIT_CONFIG.*|(GIT|SSH|SUDO)_ASKPASS|SSH_AUTH_SOCK|KUBECONFIG"
)
# Proxies may hold a login.
_FOR_INSTALLING = r"SSH_AUTH_SOCK|(HTTPS?|ALL)_PROXY"


@cache
def _listed() -> re.Pattern[str]:
    """Return what programs need to find their tools, packages, certificates and language."""
    of_toolchains = (each for one in toolchains() for each in one.variables)
    return any_of((_MACHINE, _NETWORK, _COMPILING, _TOOLS, *of_toolchains))


@cache
def _foreign() -> re.Pattern[str]:
    """Return what steers tools into other environments or to the user's logins, or changes
    tests.
    """
    return any_of((_FOREIGN, *(each for one in toolchains() for each in one.misleading)))


@cache
def _for_installing() -> re.Pattern[str]:
    """Return what a private package index asks for: given to the setup, never to builders or
    checks.
    """
    return any_of((_FOR_INSTALLING, *(e for one in toolchains() for e in one.index_variables)))


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?|\*")


def child_environment(
    environ: Mapping[str, str],
    *,
    venv: Path | None = None,
    installing: bool = False,
) -> dict[str, str]:
    """Return the complete environment of a child, made from this process's ``environ``.

    PATH starts with ``venv`` and holds no folder of Autopack's own environment or of one that
    the user has activated. ``installing`` adds the credentials of package indexes.
    """
    return dict(_made(tuple(environ.items()), venv, installing))


@lru_cache(maxsize=4)
def _made(
    of: tuple[tuple[str, str], ...], venv: Path | None, installing: bool
) -> Mapping[str, str]:
    environ = dict(of)
    passed = passed_on_purpose(environ)
    variables = {
        name: value
        for name, value in environ.items()
        if (installing and _for_installing().fullmatch(name.upper()))
        or (_is_wanted(name, passed) and not is_secret(name, value))
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


def passed_on_purpose(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names and patterns that the user lists. Raises BadInput for what is neither."""
    listed = PASS_ENV.of(environ)
    for name in listed:
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"{PASS_ENV.name} lists something that is not the name of a variable",
                field=PASS_ENV.name,
                hint="list names, with * at the end for all that begin so: MYAPP_*, LC_ALL",
            )
    return listed


def withheld(environ: Mapping[str, str]) -> list[str]:
    """Return the names that somebody will miss: children do not see them, for they hold a secret.

    Those that the user lists, and those on the list whose name does not tell.
    """
    passed = passed_on_purpose(environ)
    return sorted(
        name
        for name, value in environ.items()
        if _is_wanted(name, passed)
        and is_secret(name, value)
        and (_is_listed(name, passed) or not names_a_secret(name))
    )


def bin_folder(environment: Path) -> Path:
    """Return where a Python environment keeps its programs on this system."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def own_bin_folder() -> Path | None:
    """Return Autopack's own programs; None when its environment is the machine's own."""
    if sys.prefix == sys.base_prefix:
        return None
    return bin_folder(Path(sys.prefix))


def _is_wanted(name: str, passed: Iterable[str]) -> bool:
    upper = name.upper()
    if _foreign().fullmatch(upper):
        return False
    return _listed().fullmatch(upper) is not None or _is_listed(name, passed)


def _is_listed(name: str, passed: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in passed)


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
