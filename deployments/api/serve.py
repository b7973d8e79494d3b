"""Serving the API: on which address, and what has to be there before it is open to others."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from autopack.access.accounts import list_accounts
from autopack.access.program_keys import list_keys
from autopack.model.errors import BadInput, Refused
from autopack.secrecy.memory import hide_memory
from deployments.api.service import Service

_OF_A_PORT = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Listening:
    """Where the API listens; port 0 is any that is free."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def check_listening(service: Service, where: Listening) -> None:
    """Raise Refused for an address that others reach while nobody could sign in."""
    if not 0 <= where.port <= 65535:
        raise BadInput(f"invalid port: {where.port}", field="port", hint="use 0 to 65535")
    if where.is_local or _lets_somebody_in(service):
        return
    raise Refused(
        f"{where.host} can be reached from elsewhere, and no key and no account lets anybody in",
        field="host",
        hint="make one first: `autopack api keys create NAME`, or `autopack api user add NAME`",
    )


def _lets_somebody_in(service: Service) -> bool:
    at = datetime.now(UTC)
    return any(
        key.revoked_at is None and (key.expires_at is None or key.expires_at > at)
        for key in list_keys(service.db)
    ) or any(account.active for account in list_accounts(service.db))


def _cannot_listen(where: Listening, error: OSError | ValueError) -> BadInput:
    """Return which of the two is at fault: a port is in use or reserved, all else is the host's."""
    reason = error.strerror if isinstance(error, OSError) else None
    is_port = isinstance(error, OSError) and error.errno in _OF_A_PORT
    return BadInput(
        f"cannot listen on {where.host}:{where.port}: {reason or error}",
        field="port" if is_port else "host",
        hint="use another --port; 0 takes any that is free"
        if is_port
        else "use a --host that is an address of this machine, such as 127.0.0.1",
    )


def serve(service: Service, where: Listening, *, say: Callable[[str], object]) -> None:
    """Serve until the process is told to end, and ``say`` at which URL.

    Raises BadInput when the address cannot be had.
    """
    import socket

    import uvicorn

    from deployments.api.app import create_app

    check_listening(service, where)
    hide_memory()  # it holds the secret that sessions and keys are checked with, and the database's
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((where.host, where.port))
    except (OSError, ValueError) as error:
        listener.close()
        raise _cannot_listen(where, error) from error
    listener.listen(128)
    shown = f"[{where.host}]" if family is socket.AF_INET6 else where.host
    say(f"http://{shown}:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        # Streams of events last until somebody ends them.
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])
