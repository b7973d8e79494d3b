"""The Prefect server of a home: where it is, whether it lives, and who uses it.

What holds is said by locks, which the system releases with their holder however that ends:
``server.lock`` belongs to the living server, ``clients.lock`` is shared by every process that
uses it. The note names the address; without the lock it is the note of a server that is gone.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from autopack.files import private, safe_files
from autopack.model.errors import BadInput

try:
    import fcntl
except ImportError:  # Windows: each command starts a server of its own there
    fcntl = None

CHALLENGE = "X-Autopack-Challenge"
PROOF = "X-Autopack-Proof"

_LOCK = "server.lock"
_CLIENTS = "clients.lock"
_STACK = "stack.lock"
_NOTE = "server.json"
_LOGIN = "login"
_USER = "autopack"

_held: dict[Path, int] = {}


@dataclass(frozen=True)
class HomeServer:
    """A server that was started on demand.

    ``version`` is that of Prefect and Autopack, ``started`` and ``unused_since`` are seconds since
    the epoch, the latter None while it is used. After ``idle_seconds`` unused it ends.
    """

    api_url: str
    pid: int
    started: float
    version: str
    idle_seconds: float
    unused_since: float | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.api_url).port or 0

    def with_use(self, unused_since: float | None) -> HomeServer:
        """Return the same server, used or unused."""
        return replace(self, unused_since=unused_since)


def is_possible() -> bool:
    """Return whether this system has what a shared server needs."""
    return fcntl is not None


def folder(home: Path) -> Path:
    """Return where the server keeps its database, log, note and login; made when missing."""
    try:
        made = safe_files.make_folder(home / "prefect", below=home)
        safe_files.set_mode(made, 0o700)  # earlier versions left it to the umask
        private.have_database(made / "prefect.db")
        # Prefect's workers write results in there, by the umask of their user.
        safe_files.set_mode(safe_files.make_folder(made / "storage", below=home), 0o700)
    except OSError as error:
        raise _unwritable(home, error) from error
    return made


def lock_server(home: Path) -> int | None:
    """Return a descriptor that holds the server's lock, to be inherited by the server.

    None when a server lives, or somebody is about to start one.
    """
    return _lock(home, _LOCK, shared=False)


def lock_stack(home: Path) -> int | None:
    """Return a descriptor that holds the place of `autopack up`; None when another one does."""
    return _lock(home, _STACK, shared=False)


def is_locked(home: Path) -> bool:
    """Return whether a server lives, or somebody is about to start one."""
    descriptor = _lock(home, _LOCK, shared=True, make=False)
    if descriptor is None:
        return safe_files.is_file(home / "prefect" / _LOCK)
    os.close(descriptor)
    return False


def is_lock_of(home: Path, descriptor: int) -> bool:
    """Return whether a descriptor is that of the lock in this home, which may have vanished."""
    try:
        there = (home / "prefect" / _LOCK).lstat()
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def use(home: Path) -> bool:
    """Count this process among the users of the home's server, until it ends.

    False when the server is about to end; a moment later there is none.
    """
    if home not in _held:
        descriptor = _lock(home, _CLIENTS, shared=True)
        if descriptor is None:
            return False
        _held[home] = descriptor
    return True


def let_go(home: Path) -> None:
    """Count this process among the users no longer."""
    descriptor = _held.pop(home, None)
    if descriptor is not None:
        os.close(descriptor)


def lock_users_out(home: Path) -> int | None:
    """Return a descriptor that keeps new users away; None when somebody uses the server."""
    return _lock(home, _CLIENTS, shared=False, make=False)


def running_server(home: Path) -> HomeServer | None:
    """Return the living server of this home; None when there is none, or it has just begun."""
    found = read_note(home)
    return found if found is not None and is_locked(home) else None


def read_note(home: Path) -> HomeServer | None:
    """Return what the last server of this home noted, which may be gone."""
    try:
        return HomeServer(**json.loads(safe_files.read_text(home / "prefect" / _NOTE)))
    except (OSError, ValueError, TypeError):
        return None


def write_note(home: Path, server: HomeServer) -> None:
    """Note a server, whole or not at all."""
    safe_files.write(home / "prefect" / _NOTE, json.dumps(asdict(server)))


def remove_note(home: Path) -> None:
    """Forget the server: it ended in order, or another is about to start."""
    with suppress(OSError):
        safe_files.remove(home / "prefect" / _NOTE)


def login_file(home: Path) -> Path:
    """Return where the login of this home's servers is."""
    return home / "prefect" / _LOGIN


def read_login(home: Path) -> str | None:
    """Return the login, ``user:password``, that this home's servers ask for; None without one."""
    with suppress(OSError):
        login = safe_files.read_text(login_file(home)).strip()
        if login.partition(":")[2]:
            return login
    return None


def make_login(home: Path) -> str:
    """Return the login of this home, made when there is none."""
    while (login := read_login(home)) is None:
        lock = _lock(home, f"{_LOGIN}.lock", shared=False)
        if lock is None and fcntl is not None:
            time.sleep(0.01)  # another one is making it
            continue
        try:
            if read_login(home) is None:
                safe_files.write(login_file(home), f"{new_login()}\n", durable=True)
        except OSError as error:
            raise _unwritable(home, error) from error
        finally:
            if lock is not None:
                os.close(lock)
    return login


def new_login() -> str:
    """Return a login that nobody can guess."""
    return f"{_USER}:{secrets.token_urlsafe(32)}"


def proof(login: str, challenge: str) -> str:
    """Return what shows that somebody knows the login, without telling it."""
    return hmac.new(login.encode(), challenge.encode(), "sha256").hexdigest()


def answers(api_url: str, login: str, *, seconds: float = 2.0) -> bool:
    """Return whether a server answers there that knows the login.

    Whatever else has taken the port does not, and is not told the login either.
    """
    from http.client import HTTPConnection, HTTPException

    challenge, address = secrets.token_hex(16), urlsplit(api_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    try:
        connection.request("GET", f"{address.path}/health", headers={CHALLENGE: challenge})
        answer = connection.getresponse()
        given = answer.getheader(PROOF, "")
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200 and hmac.compare_digest(
        given.encode("latin-1"), proof(login, challenge).encode()
    )


def _lock(home: Path, name: str, *, shared: bool, make: bool = True) -> int | None:
    """Return a descriptor with the lock; None when others have it, or there is no such file."""
    if fcntl is None:
        return None
    path = (folder(home) if make else home / "prefect") / name
    try:
        descriptor = safe_files.open_append(path, read=True) if make else _open(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unwritable(home, error) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise _unwritable(home, error) from error
    return descriptor


def _open(path: Path) -> int:
    with safe_files.open_read(path) as file:
        return os.dup(file.fileno())


def _unwritable(home: Path, error: OSError) -> BadInput | OSError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error  # said as such by the command line
    return BadInput(
        f"AUTOPACK_HOME {home} cannot be written to: {error.strerror}",
        field="AUTOPACK_HOME",
        hint="set AUTOPACK_HOME to a folder that you may write to",
    )
