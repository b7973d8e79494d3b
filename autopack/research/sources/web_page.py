"""Pages that a plan names as a source: fetched once, bounded, and from public addresses alone.

A name is resolved once for each hop, what it resolves to is checked, and that very address is
connected to: one that resolves otherwise a moment later leads nowhere else. Proxies of the
environment are not used, for they would resolve names themselves.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from autopack.deadline import within
from autopack.research.locator import Elsewhere, rank_of_path
from autopack.research.rank import Rank
from autopack.research.sources.page_encoding import text_of
from autopack.research.sources.page_text import page_text
from autopack.research.sources.passages import Text, best_passages
from autopack.research.sources.source_protocol import (
    MOST_SOURCE_BYTES,
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)

MOST_HOPS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/xhtml+xml")
# Some versions of Python call a part of them public: addresses of protocols, and translated ones.
_NEVER = [ipaddress.ip_network(each) for each in ("192.0.0.0/24", "64:ff9b::/96", "64:ff9b:1::/48")]


class Refused(Exception):
    """An address is not public."""


class WebSource:
    """One page. Tests alone may ``allow_loopback``."""

    def __init__(self, name: str, *, seconds: float, allow_loopback: bool = False) -> None:
        self.name = name
        self._address = name.removeprefix("url:")
        self._seconds = seconds
        self._backend = _CheckedBackend(seconds, allow_loopback=allow_loopback)
        self._page: Text | None = None
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the passages of the page that fit best."""
        return best_passages(self.name, query, [self._fetched()])

    def read(self, locator: str) -> bytes:
        """Return the text of the page, as it was when it was first asked for."""
        page = self._fetched()
        if locator != page.locator:
            raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")
        return page.content

    def _fetched(self) -> Text:
        if self._page is None:
            address, kind, content = self._follow()
            is_page = "html" in kind
            told = text_of(content, kind, is_page=is_page)
            text = page_text(told) if is_page else told.encode("utf-8", "replace")
            rank = Rank.PROSE if is_page else rank_of_path(urlsplit(address).path)
            self._page = Text(
                str(Elsewhere("url", self._address)),
                urlsplit(address).path,
                text,
                SourceFacts(
                    is_primary=False,
                    rank=Rank.PROSE if rank is Rank.CODE else rank,
                    origin=urlsplit(address).hostname or "",
                ),
            )
        return self._page

    def _follow(self) -> tuple[str, str, bytes]:
        """Return where the page is in the end, its type and its content. Raises SourceFailure."""
        deadline = time.monotonic() + self._seconds
        address = self._address
        for _ in range(MOST_HOPS):
            left = deadline - time.monotonic()
            try:
                moved, kind, content = within(left, partial(self._get, address, left))
            except Refused as error:
                raise SourceFailure(self.name, FailureKind.REFUSED, str(error)) from error
            except (httpcore.TimeoutException, TimeoutError) as error:
                raise SourceFailure(
                    self.name,
                    FailureKind.TIMED_OUT,
                    f"{address} did not answer within {self._seconds:g} s",
                ) from error
            except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
                why = f"{type(error).__name__}: {error}"
                raise SourceFailure(
                    self.name, FailureKind.UNREACHABLE, f"{address} cannot be reached: {why}"
                ) from error
            if moved is None:
                return address, kind, content
            address = urljoin(address, moved)
        raise SourceFailure(
            self.name, FailureKind.REFUSED, f"more than {MOST_HOPS} redirects from {self._address}"
        )

    def _get(self, address: str, seconds: float) -> tuple[str | None, str, bytes]:
        check_address(address)
        wait = max(0.1, min(10.0, seconds))
        timeouts = {"connect": wait, "read": wait, "write": wait, "pool": wait}
        headers: dict[bytes | str, bytes | str] = {
            "Host": urlsplit(address).netloc,
            "User-Agent": "autopack-research",
            "Accept": "text/*, application/json;q=0.9, application/xhtml+xml;q=0.9",
            "Accept-Encoding": "identity",
        }
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=self._backend
            ) as pool,
            pool.stream(
                "GET", address.encode("ascii", "strict"), headers=headers,
                extensions={"timeout": timeouts},
            ) as answer,
        ):  # fmt: skip
            told = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in answer.headers
            }
            if answer.status in _REDIRECTS and "location" in told:
                return told["location"], "", b""
            self._check(address, answer.status, told)
            content = self._body(address, answer.iter_stream())
            return None, told.get("content-type", "").lower(), content

    def _check(self, address: str, status: int, told: dict[str, str]) -> None:
        if status != 200:
            kind = FailureKind.NOT_FOUND if status in (404, 410) else FailureKind.UNREACHABLE
            raise SourceFailure(self.name, kind, f"{address} answered {status}")
        kind = told.get("content-type", "").lower()
        if not kind.startswith(_TEXT_TYPES):
            raise SourceFailure(
                self.name,
                FailureKind.WRONG_TYPE,
                f"{address} is no text but {kind[:80] or 'of a type that it does not say'}",
            )
        if told.get("content-encoding", "identity").lower() != "identity":
            raise SourceFailure(
                self.name, FailureKind.WRONG_TYPE, f"{address} is sent compressed only"
            )

    def _body(self, address: str, parts: Iterable[bytes]) -> bytes:
        content = bytearray()
        for part in parts:
            content += part
            if len(content) > MOST_SOURCE_BYTES:
                raise SourceFailure(
                    self.name,
                    FailureKind.TOO_LARGE,
                    f"{address} is longer than {MOST_SOURCE_BYTES:,} bytes",
                )
        return bytes(content)


def check_address(address: str) -> None:
    """Raise Refused for an address of another kind than pages have, or one with a login."""
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise Refused(f"not the address of a page: {address[:200]}") from None
    if parts.username or parts.password:
        raise Refused(f"an address with a login is not fetched: {parts.hostname}")
    if not address.isascii() or any(char.isspace() for char in address):
        raise Refused(f"write the address in ASCII: {address[:200]}")


def is_public(text: str) -> bool:
    """Return whether an IP address is anybody's: not private, of this machine, or of this link."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if address.teredo is not None:
            return False
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to what a name resolves to, when all of that is public."""

    def __init__(self, seconds: float, *, allow_loopback: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._seconds = seconds
        self._allow_loopback = allow_loopback

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = _resolved(host, port, min(timeout or self._seconds, self._seconds))
        for address in found:
            is_own = self._allow_loopback and ipaddress.ip_address(address).is_loopback
            if not is_own and not is_public(address):
                raise Refused(f"{host} is at {address}, which is not a public address")
        return self._inner.connect_tcp(found[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise Refused("no page is at a socket")


def _resolved(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a host; a resolver that hangs is not waited for."""
    try:
        listed = within(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved") from error
    return list(dict.fromkeys(str(each[4][0]) for each in listed))
