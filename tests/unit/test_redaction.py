"""Secrets are taken out of text and files, in every spelling in which they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autopack.redaction import Redactor, environment_secrets

SECRET = 'sk-"canary"\\0123'


@pytest.mark.parametrize(
    "text",
    [
        f"the key is {SECRET}.",
        # as a JSON line has it
        json.dumps({"error": f"bad key {SECRET}"}),
    ],
)
def test_a_secret_is_replaced(text: str) -> None:
    redacted = Redactor([SECRET]).text(text)
    assert "canary" not in redacted
    assert "[secret]" in redacted


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


@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        ("ANTHROPIC_API_KEY", "sk-123", {"sk-123"}),
        ("AUTOPACK_BUILDER_KEY", "sk-123", {"sk-123"}),
        ("GH_TOKEN", "ghp", {"ghp"}),
        # only the password of a URL is one
        ("DATABASE_URL", "postgresql://me:pass-word@host/db", {"pass-word"}),
        ("PREFECT_API_URL", "http://127.0.0.1:4200/api", set()),
        # a place, not a secret
        ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/google.json", set()),
        ("HOME", "/root", set()),
        ("ANTHROPIC_MODEL", "claude", set()),
    ],
)
def test_secrets_are_known_by_the_names_of_variables(
    name: str, value: str, secrets: set[str]
) -> None:
    assert environment_secrets({name: value}) == secrets
