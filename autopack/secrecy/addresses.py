"""URLs that people give: refused when they hold a login, and read within bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from autopack.deadline import within
from autopack.model.errors import BadInput
from autopack.secrecy.credentials import url_holds_secret

if TYPE_CHECKING:
    import httpx

_SSH: Final = frozenset({"ssh", "git+ssh", "ssh+git"})
# As git takes it for a host and a path, and as a slash too few leaves it.
_BARE_LOGIN: Final = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]*:(?!//)/?)?[^/\\@:\s]+:[^/\\@\s]*@", re.IGNORECASE
)
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_MOST_REDIRECTS = 5
_SECONDS = 30.0


def check_no_login(url: str, field: str) -> None:
    """Raise BadInput naming ``field`` when ``url`` holds a login, which would be stored and shown.

    Hosting services take a token as user name or as password, so neither may be there; only an
    SSH address has a user name, ``git`` usually, that is no secret.
    """
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
        host = parts.hostname
    except ValueError:
        # Why not is told with the address, which may hold anything.
        raise BadInput(f"{field} is not a URL", field=field, hint="check its host") from None
    is_harmless = password is None and (user is None or (parts.scheme in _SSH and len(user) <= 32))
    if is_harmless and _BARE_LOGIN.match(url) is None:
        return
    raise BadInput(
        f"the URL of {host or 'a host'} in {field} holds a user name or a password, which would be "
        "stored and shown",
        field=field,
        hint="leave it out; use a git credential helper, SSH, or the option made for the key",
    )


def check_no_secret(url: str, field: str) -> None:
    """Raise BadInput naming ``field`` when a URL that will be stored holds a login, a parameter
    whose name says that it is secret, or a key anywhere in it."""
    check_no_login(url, field)
    if url_holds_secret(url):
        raise BadInput(
            f"the URL of {urlsplit(url).hostname or 'a host'} in {field} holds a secret, which "
            "would be stored and shown",
            field=field,
            hint="leave it out; use a git credential helper, SSH, or the option made for the key",
        )


def read_text(url: str, *, most_bytes: int, field: str) -> str:
    """Return the text at an http(s) URL, without a byte order mark.

    Raises BadInput naming ``field`` when it holds a login, does not answer with text of at most
    ``most_bytes`` within half a minute, or leads elsewhere than to http(s).
    """
    import httpx  # loaded only where a URL is read

    check_no_login(url, field)
    shown = url.partition("?")[0]  # where storage services have their signatures
    try:
        with httpx.Client(max_redirects=_MOST_REDIRECTS, timeout=10) as client:
            content = within(_SECONDS, lambda: _fetched(client, url, most_bytes))
    except _Unreadable as error:
        raise BadInput(f"{shown} {error}", field=field, hint="save it to a file") from error
    except TimeoutError as error:
        late = f"{shown} did not arrive within {_SECONDS:.0f} s"
        raise BadInput(late, field=field, hint="save it to a file") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BadInput(f"{shown} cannot be read: {reason}", field=field) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown} is not UTF-8 text", field=field) from error


class _Unreadable(Exception):
    """What is wrong with an answer, as the rest of a sentence that begins with its URL."""


def _fetched(client: httpx.Client, url: str, most_bytes: int) -> bytes:
    # Nothing compressed: what a few bytes unfold to would have no bound.
    headers = {"Accept-Encoding": "identity"}
    with client.stream("GET", url, follow_redirects=True, headers=headers) as answer:
        answer.raise_for_status()
        return _within(answer, most_bytes)


def _within(answer: httpx.Response, most_bytes: int) -> bytes:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith(("image/", "audio/", "video/", "font/")) or kind in _PAGES:
        raise _Unreadable(f"is {kind}, not a text to read")
    if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise _Unreadable("comes compressed, which was not asked for")
    content = bytearray()
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise _Unreadable(f"is longer than {most_bytes // 1024:,} kB")
    return bytes(content)
