"""Taking secrets out of text before a model sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autopack.redaction import MASK, Redactor, environment_secrets

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,30}KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,200}"
    r"|\b(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs])[_-][A-Za-z0-9_-]{16,200}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,60}"
    r"|\beyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}"
)
_NAMED = re.compile(
    r"(?P<name>\b[\w.-]{0,40}(?:api[_-]?key|access[_-]?key|secret|password|passwd|token)"
    r"[\w-]{0,20}[\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?P<value>[^\s\"',;]{8,400})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic) )(?P<value>[A-Za-z0-9._~+/=-]{12,2000})")
_IN_URL = re.compile(r"(?P<name>://[^\s/:@]{1,200}:)(?P<value>[^\s/@]{1,200})(?=@)")


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """``text`` without what looks like a secret, and without the values of secret variables."""
    text = Redactor(environment_secrets(environ)).text(text)
    text = _SHAPES.sub(MASK, text)
    for pattern in (_NAMED, _BEARER, _IN_URL):
        text = pattern.sub(lambda found: found["name"] + MASK, text)
    return text
