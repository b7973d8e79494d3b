"""Secrets are taken out of text and files, in every spelling in which they are written."""

from __future__ import annotations

import base64
import html
import itertools
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autopack.secrecy.credentials import MASK
from autopack.secrecy.redaction import Redactor

KEYS = [
    "sk-canary+/0123456789==",
    'sk-"canary"\\0123\\n456',
    "canary%2Fdbpw-0123",
    "correct horse & canary staple",
    "pässwörd-canary-1",
    "-----BEGIN PRIVATE KEY-----\nMIIEcanaryvQIBADANBgkqhkiG\n-----END PRIVATE KEY-----\n",
]


def at(place: int, between: str) -> Callable[[str], str]:
    return lambda key: key[:place] + between + key[place:]


def wrapped(key: str, width: int, before: str = "", after: str = "") -> str:
    lines = (key[start : start + width] for start in range(0, len(key), width))
    return "\n".join(f"{before}{line}{after}" for line in lines)


def encoded(key: str, before: str = "", behind: str = "") -> bytes:
    return base64.b64encode(f"{before}{key}{behind}".encode())


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "json": json.dumps,
    "json in json": lambda key: json.dumps(json.dumps({"error": key})),
    "python": repr,
    "html": html.escape,
    "url": lambda key: urllib.parse.quote(key, safe=""),
    "url, lower": lambda key: "".join(f"%{byte:02x}" for byte in key.encode()),
    "url, upper": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "url twice": lambda key: urllib.parse.quote(urllib.parse.quote(key, safe="")),
    "form": lambda key: urllib.parse.urlencode({"key": key}),
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
    "base64": lambda key: encoded(key).decode(),
    "base64, at 1": lambda key: encoded(key, "x", "more").decode(),
    "base64, at 2": lambda key: encoded(key, "x:", "\nmore").decode(),
    "urlsafe": lambda key: base64.urlsafe_b64encode(f"user:{key}".encode()).decode().rstrip("="),
    "basic": lambda key: f"Authorization: Basic {encoded(key, 'user:').decode()}",
    "base64 in lines": lambda key: (
        base64.encodebytes(encoded(key, "x" * 60)).decode()
        and base64.encodebytes(f"{'x' * 60}{key}{'y' * 60}".encode()).decode()
    ),
    "base64 in a URL": lambda key: urllib.parse.quote(encoded(key, "a").decode(), safe=""),
    "line end": at(5, "\n"),
    "CRLF": at(6, "\r\n"),
    "indented": at(7, "  \n      "),
    "continued": at(7, "\\\n"),
    "wrapped": lambda key: wrapped(key, 4),
    "in a frame": lambda key: wrapped(key, 7, "│ ", "   │"),
    "in a diff": lambda key: wrapped(key, 7, "+"),
    "in a mail": lambda key: wrapped(key, 7, "> "),
    "colour": at(4, "\x1b[0m"),
    "colours": lambda key: "".join(f"\x1b[1;3{n % 8}m{char}\x1b[m" for n, char in enumerate(key)),
    "colour in JSON": lambda key: json.dumps(at(4, "\x1b[0m")(key)),
    "colour by name": at(4, "\\x1b[0m"),
    "link": lambda key: f"\x1b]8;;http://x\x1b\\{key}\x1b]8;;\x1b\\",
    "zero width": at(4, "\u200b"),
    "octal escapes": lambda key: "".join(f"\\{byte:03o}" for byte in key.encode()),
    "escapes of JavaScript": lambda key: "".join(f"\\u{{{ord(char):x}}}" for char in key),
    "HTML without an end": lambda key: "".join(f"&#{ord(char)}" for char in key) + " ",
    "bytes in a list": lambda key: ", ".join(f"0x{byte:02x}" for byte in key.encode()),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "base64 twice": lambda key: base64.b64encode(base64.b64encode(key.encode())).decode(),
    "from its end": lambda key: key[::-1],
    "colour by cat -v": at(4, "^[[31m"),
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
}


def canaries(text: str) -> bool:
    """Whether a text still holds the word, in whatever way it is looked at."""
    found = "".join(char for char in text.lower() if char.isprintable() and char not in "│+> ")
    return "canary" in found


def written() -> Iterator[tuple[str, str]]:
    """Every key in every spelling; bytes of another encoding are no text."""
    for key, spelling in itertools.product(KEYS, SPELLINGS):
        if spelling != "UTF-16" or key.isascii():
            yield key, spelling


@pytest.mark.parametrize(("key", "spelling"), list(written()))
def test_a_secret_is_replaced_in_every_spelling(key: str, spelling: str) -> None:
    redacted = Redactor([key]).text(f"before {SPELLINGS[spelling](key)} after")

    assert MASK in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert not canaries(redacted)


@pytest.mark.parametrize("kept", [12, 14, 20])
def test_a_key_that_is_cut_short_is_replaced(kept: int) -> None:
    key = "sk-canary-0123456789-abcdef"
    assert Redactor([key]).text(f"bad key: {key[:kept]}...") == "bad key: [secret]..."


@pytest.mark.parametrize(
    "text",
    [
        "sk-can is how keys begin",
        "correct horse, as they say",
        "https://user@example.com/settings and more",
        "cGxhaW4gdGV4dCB0aGF0IGlzIG5vIGtleSBhdCBhbGw=",
        "\x1b[31mred\x1b[0m\n%20 \\u0041 &amp;",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    known = ["sk-canary-0123456789", "correct horse battery staple", "https://user:canary1@example"]
    assert Redactor(known).text(text) == text


@pytest.mark.parametrize(
    "unit", ["\x1b[", "\x1b]", " ", "\n", "\n ", "|", "\\", "\\u00", "%2", "&#", "│"]
)
def test_the_time_it_takes_grows_with_the_text_alone(unit: str) -> None:
    begun = time.process_time()
    Redactor(["sk-canary-0123456789"]).text(unit * (300_000 // len(unit)))
    assert time.process_time() - begun < 3


def test_a_secret_that_begins_with_another_is_replaced_whole() -> None:
    assert Redactor(["12345678", "12345678-rest"]).text("12345678-rest") == "[secret]"


def test_short_values_are_words() -> None:
    assert Redactor(["yes", ""]).text("yes, it is") == "yes, it is"


def test_files_with_a_secret_are_rewritten_and_others_left(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    long = b"x" * (1024 * 1024 - 3) + b"sk-canary-0123" + b"\xff" * 10  # across two pieces
    (tmp_path / "in" / "spool").write_bytes(long)
    (tmp_path / "other").write_bytes(b"nothing\xff")
    before = (tmp_path / "other").stat().st_ino

    Redactor(["sk-canary-0123"]).folder(tmp_path)

    assert (tmp_path / "in" / "spool").read_bytes() == long.replace(b"sk-canary-0123", b"[secret]")
    assert (tmp_path / "other").stat().st_ino == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "other", "spool"]


def test_a_large_file_is_rewritten_a_piece_at_a_time(tmp_path: Path) -> None:
    """Wherever the borders of pieces fall, and whatever lies between a key's characters."""
    key = "sk-canary-0123456789"
    secret = "".join(f"\x1b[0m\n{char}" for char in key).encode()
    sizes = [1024 * 1024 - 80, 1024 * 1024 - 1, 64 * 1024, 5, 2 * 1024 * 1024 - 90, 1]
    parts = [b"x" * size for size in sizes]
    (tmp_path / "spool").write_bytes(secret.join(parts) + encoded(key, "user:"))

    Redactor([key]).file(tmp_path / "spool")

    written = (tmp_path / "spool").read_bytes()
    assert b"canary" not in written
    assert encoded(key)[:8] not in written
    parts = written.split(MASK.encode())
    assert [len(part.removesuffix(b"\x1b[0m\n")) for part in parts[:5]] == sizes[:5]


@pytest.mark.parametrize(
    "raw", [b"p\xe4ssw\xf6rd-1234567", b"\xff\xfe-binary-secret", "größer-als-1".encode()]
)
def test_a_secret_of_the_environment_may_be_in_any_encoding(tmp_path: Path, raw: bytes) -> None:
    secret = os.fsdecode(raw)
    redactor = Redactor([secret])
    file = tmp_path / "out"
    file.write_bytes(b"it is " + raw + b"\n")
    redactor.folder(tmp_path)
    assert raw not in file.read_bytes()
    assert secret not in redactor.text(f"it is {secret}")
    assert len(redactor.tags) == 1
