"""What kind of work a text is about, by whole words only: "rapid" is not "api"."""

from __future__ import annotations

import re

BACKEND = "backend"

_KEYWORDS = {
    "authentication": """
        auth authentication authenticate authorisation authorization authorise authorize login
        logout jwt oauth oauth2 oidc saml sso password passwords credential credentials session
        sessions signin sign-in signup sign-up 2fa mfa rbac
    """,
    "api_endpoint": """
        api apis restful endpoint endpoints route routes graphql grpc http
        openapi swagger webhook webhooks
    """,
    "database": """
        database databases db sql sqlalchemy alembic migration migrations schema schemas postgres
        postgresql sqlite mysql mongodb redis orm table tables query queries
    """,
    "frontend": """
        frontend front-end ui ux css html react vue angular svelte component components page pages
        button buttons stylesheet theme layout browser form forms
    """,
    "testing": """
        test tests testing pytest unittest jest coverage fixture fixtures regression e2e
    """,
    "docs": """
        doc docs documentation document readme changelog docstring docstrings guide tutorial
        comments
    """,
}
_CATEGORY_OF = {word: name for name, words in _KEYWORDS.items() for word in words.split()}
_WORD = re.compile(r"(?<![\w-])[a-z0-9]+(?:-[a-z]+)*(?![\w-])")
_STRONG = frozenset({"authentication", "database"})
"""Of equals these win: an endpoint for logging in is about authentication."""


def category(text: str) -> str:
    """Return the category with the most words in ``text``; ``backend`` when there is none."""
    counts: dict[str, float] = {}
    for word in _WORD.findall(text.lower()):
        name = _CATEGORY_OF.get(word)
        if name:
            counts[name] = counts.get(name, 0.0) + (1.5 if name in _STRONG else 1.0)
    return max(counts, key=lambda name: counts[name]) if counts else BACKEND
