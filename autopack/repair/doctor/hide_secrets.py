"""Taking secrets out of text before a model sees it."""

from __future__ import annotations

from collections.abc import Mapping

from autopack.secrecy.credentials import (
    HEADER,
    IN_URL,
    MASK,
    NAMED,
    SHAPES,
    environment_secrets,
)
from autopack.secrecy.redaction import Redactor


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """Return ``text`` without what looks like a secret, and without those of ``environ``."""
    text = Redactor(environment_secrets(environ)).text(text)
    text = SHAPES.sub(MASK, text)
    for pattern in (NAMED, HEADER, IN_URL):
        text = pattern.sub(lambda found: found["name"] + MASK, text)
    return text
