"""Recognise secrets: names that say that something is one, and values that look like one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

# The words of a name, in whatever case and with whatever between them: API_KEY, apiKey, x-api-key.
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_WORDS: Final = frozenset(
    {
        "secret", "secrets", "token", "tokens", "auth", "authorization", "bearer", "jwt", "cookie",
        "cookies", "webhook", "webhooks", "pass", "passwd", "pw", "pwd", "pat", "dsn", "conn",
        "connstr", "cred", "creds", "sas", "otp", "mnemonic", "askpass", "kubeconfig", "oauth",
        "basicauth", "httpauth", "hmac", "passcode", "passkey", "netrc", "htpasswd",
    }
)  # fmt: skip
_PAIRS: Final = frozenset({"session id", "extra header", "seed phrase", "recovery phrase"})
# What may stand behind the word key: how it is written, and which of several it is.
_OF_A_KEY: Final = frozenset(
    {
        "b", "base", "pem", "der", "hex", "json", "raw", "data", "text", "value", "live", "prod",
        "production", "test", "dev", "staging", "primary", "secondary", "current", "old", "new",
    }
)  # fmt: skip
# Wherever in a name, for they are written as one word as often as not: APIKEY, DBPASSWORD.
_PIECES: Final = re.compile(
    r"(api|access|private|account|signing|encryption|license|ssh|deploy|priv|master|service"
    r"|storage|subscription|session|shared|client|auth|app|openai|anthropic|stripe)key"
    r"(?!board|word|space|stroke|note|frame|code|name)"
    r"|secret|passwo?r?d|passphrase|credential|authtoken|(pg|db|smtp|user|root|admin|mysql)pass(?!enger|through|es|i|age)"
    r"|token(s?)$|connectionstring"
)
_URLS_THEMSELVES: Final = frozenset({"webhook", "webhooks", "sas"})
_HARMLESS: Final = frozenset({"PWD", "OLDPWD", "XDG_SESSION_ID"})

_PEM: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE|SECRET) KEY(?: BLOCK)?-----[\s\S]{0,16000}?"
    r"(?:-----END [A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----|\Z)"
)
_PREFIXED: Final = (
    # With a digit: npm_config_cache and glob-patterns are none.
    r"\b(?:sk|pk|rk)[-_](?=[A-Za-z_-]{0,400}[0-9])[A-Za-z0-9_-]{12,400}"
    r"|\b(?:gh[oprsu]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-|glsa_|npm_|pypi-|hf_|xox[a-z]-|xapp-|dop_v1_"
    r"|shp[a-z]{2}_|sq0[a-z]{3}-|SG\.|pplx-|gsk_|r8_|dckr_pat_|ATATT|ATBB|figd_|lin_api_|sntry[su]_"
    r"|rubygems_|nvapi-|tskey-|hv[sbr]\.|AGE-SECRET-KEY-|whsec_|xai-|do[oprt]_v1_|EAAC|PMAK-"
    r"|glffct-|dckr_oat_|ATCTT|lin_oauth_|sb_secret_|pscale_(?:tkn|pw|oauth)_|glc_eyJ|NRAK-|ntn_"
    r"|HRKU-|shippo_(?:live|test)_|dt0[a-z][0-9]{2}\.|CLOJARS_|GOCSPX-|cmVmdGtu|[sp]k\.eyJ)"
    r"(?=[A-Za-z_.=+-]{0,400}[0-9])[A-Za-z0-9_.=+-]{8,400}"
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{8,20}\b|\bAIza[0-9A-Za-z_-]{12,60}|\bya29\.[\w-]{12,400}"
)
# Whose prefix others have too: known by all that they are made of.
_MADE_SO: Final = (
    r"\b(?:SK|key-|dapi)[0-9a-f]{32}\b|\b[0-9a-f]{32}-us[0-9]{1,2}\b|\bpul-[0-9a-f]{32,40}\b"
    r"|\bsbp_[0-9a-f]{32,40}\b|\b(?:nfp|phx|tfp|vc[pkiar]|fm[12])_[A-Za-z0-9]{24,200}"
    r"|\bEAA[A-Z][A-Za-z0-9_-]{40,400}|\bAKC[bp][A-Za-z0-9]{20,80}"
    r"|\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9]{16,64}\b"
    r"|\bpat[A-Za-z0-9]{12,16}\.[0-9a-f]{32,64}\b|\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{32,100}"
    r"|\bv1\.0-[0-9a-f]{24}-[0-9a-f]{32,200}\b|\boy2[a-z0-9]{43}\b|\b1//0[\w-]{20,200}"
    r"|\boauth:(?=[a-z]{0,31}[0-9])[a-z0-9]{28,32}\b|\b[0-9]{8,10}:AA[\w-]{30,40}"
    r"|\b[MNO](?=[A-Za-z_-]{0,26}[0-9])[\w-]{22,27}\.[\w-]{6}\.(?=[A-Za-z_-]{0,39}[0-9])[\w-]{27,40}"
)
_JWT: Final = r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,2000}"
_WEBHOOK: Final = (
    r"https?://(?:hooks?\.[\w.-]+(?::\d+)?/|[\w.-]*\.webhook\.office\.com/"
    r"|outlook\.office(?:365)?\.com/webhook|[\w.-]+\.(?:logic\.azure|powerplatform)\.com(?::\d+)?/"
    r"|chat\.googleapis\.com/v1/spaces/|maker\.ifttt\.com/trigger/|api\.telegram\.org/bot"
    r"|[\w.:-]+/(?:[\w.-]+/){0,3}(?:hooks?|webhooks?(?:-test)?|webhookb2|incoming-webhook)/"
    r"|events\.(?:eu\.)?pagerduty\.com/integration/)"
    r"[^\s\"'<>]{6,1000}"
)
SHAPES: Final = re.compile("|".join((_PEM, _PREFIXED, _MADE_SO, _JWT, _WEBHOOK)))
"""Secrets that are known by what they look like, in any text."""

NAMED: Final = re.compile(
    r"(?P<name>\b[\w.-]{0,40}(?:api[_-]?key|access[_-]?key|account[_-]?key|secret|passwo?r?d"
    r"|passphrase|passcode|token|signature|_auth|auth[_-]?key|client[_-]?key[_-]data"
    r"|(?<![A-Za-z])(?:sig|pwd(?=[\"']?\s{0,3}[:=]\s{0,3}[\"']?[^/~.\s])))"
    r"[\w-]{0,20}[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
    r"(?P<value>[^\s\"',;&]{8,400})",
    re.IGNORECASE,
)
"""A name that says so, and the value behind it: ``AccountKey=…;``, ``"password": "…"``."""

HEADER: Final = re.compile(
    r"(?P<name>\b(?:(?:Proxy-)?Authorization\s?[:=]\s?(?:Bearer |Basic |Token )?"
    r"|(?:Bearer |Basic )(?=\S{0,2000}[0-9])"
    r"|(?:Set-)?Cookie\s?:\s?[\w.-]{1,80}=|login\s{1,3}\S{1,200}\s{1,3}password\s{1,3}))"
    r"(?P<value>[^\s\"',;]{8,2000})",
    re.IGNORECASE,
)
"""The value of an HTTP header that proves who asks, and what stands for it in a netrc."""

IN_URL: Final = re.compile(
    r"(?P<name>\b[a-z][a-z0-9+.-]{1,30}://)(?P<value>[^\s/?#\"'<>]{1,400}"
    # A password as it is, whose slashes and marks should have been encoded; no port with a path.
    r"|[^\s/?#:@\[\"'<>]{0,200}:(?![0-9]{1,5}[/?#])[^\s@\"'<>]{1,200})(?=@[^\s/@])",
    re.IGNORECASE,
)
"""The login of a URL."""

_SSH: Final = re.compile(r"(git\+)?ssh(\+git)?://", re.IGNORECASE)
_PLACE: Final = re.compile(r"~[\w.-]{0,64}/|[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*://")
# What hosting services want where the token is the other half.
_NO_SECRET: Final = frozenset(
    {"x-access-token", "x-oauth-basic", "x-token-auth", "gitlab-ci-token"}
)


MASK: Final = "[secret]"
"""What stands where a secret was."""


@lru_cache(maxsize=4096)  # every program that is started asks of every variable
def names_a_secret(name: str) -> bool:
    """Return whether a variable or parameter of this name holds a secret."""
    if name.upper() in _HARMLESS:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    return (
        not _WORDS.isdisjoint(words)
        or _ends_with_key(words)
        or any(f"{one} {other}" in _PAIRS for one, other in pairwise(words))
        or any(_PIECES.search(word) for word in (*words, "".join(words)))
    )


def _ends_with_key(words: Sequence[str]) -> bool:
    last = next((word for word in reversed(words) if word not in _OF_A_KEY), "")
    return last in ("key", "keys")


def secrets_in(value: str) -> set[str]:
    """Return the secrets that a value holds by its looks: keys, logins, headers, parameters."""
    found = {match.group() for match in SHAPES.finditer(value)}
    found |= {match["value"] for match in NAMED.finditer(value)}
    found |= {match["value"] for match in HEADER.finditer(value)}
    for match in IN_URL.finditer(value):
        found |= set(_of_login(match["name"], match["value"]))
    return found | set(_of_parameters(value))


def holds_a_login(value: str) -> bool:
    """Return whether a URL in ``value`` holds a user name, but for ``git@`` over SSH, or more."""
    return any(
        ":" in match["value"] or not _SSH.fullmatch(match["name"])
        for match in IN_URL.finditer(value)
    )


@lru_cache(maxsize=512)  # asked of each variable for each program that is started
def is_secret(name: str, value: str) -> bool:
    """Return whether a variable holds a secret, by its name or by its value."""
    return names_a_secret(name) or holds_a_login(value) or bool(secrets_in(value))


def url_holds_secret(url: str) -> bool:
    """Return whether a URL holds a login, a secret parameter, or looks like a secret itself."""
    return bool(urlsplit(url).password) or holds_a_login(url) or bool(secrets_in(url))


def environment_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return the secrets in ``environ``: values by their names, and by what they look like."""
    found: set[str] = set()
    for name, value in environ.items():
        found |= secrets_in(value)
        if names_a_secret(name) and (_is_address_and_secret(name, value) or not _is_place(value)):
            found.add(value)
    return found


def known_secrets(
    environ: Mapping[str, str], options: Mapping[str, str], secrets: Iterable[str] = ()
) -> set[str]:
    """Return what a run must not keep: the secrets of the environment, those of a builder's block
    (``secrets``), and the key that the builder's options name."""
    key = environ.get(options.get("key_env", ""))
    return environment_secrets(environ) | set(secrets) | ({key} if key else set())


def _is_place(value: str) -> bool:
    """Return whether a value says where a secret lies, which is none.

    Base64 begins with a slash as well: of paths, the first folder is on this machine.
    """
    if not value.startswith("/"):
        return _PLACE.match(value) is not None
    first, slash, _ = value[1:].partition("/")
    return os.path.lexists(f"/{first}") if slash else os.path.lexists(value[:4096])


def _is_address_and_secret(name: str, value: str) -> bool:
    """Return whether the address is the secret: who knows a webhook may post there."""
    words = {word.lower() for word in _WORD.findall(name)}
    return "://" in value and not _URLS_THEMSELVES.isdisjoint(words)


def _of_login(scheme: str, login: str) -> Iterator[str]:
    user, colon, password = login.partition(":")
    if _SSH.fullmatch(scheme) and not colon:
        return
    # A token may stand where the user name does; a name beside a password is none.
    for half in (password,) if password and password not in _NO_SECRET else (user,):
        if half not in _NO_SECRET:
            yield half
            yield unquote(half)


def _of_parameters(value: str) -> Iterator[str]:
    _, _, query = value.partition("?")
    if "://" not in value or "=" not in query:
        return
    for name, parameter in parse_qsl(query.partition("#")[0]):
        if parameter and (names_a_secret(name) or name.lower() in ("key", "sig", "signature")):
            yield parameter


def shown_address(url: str) -> str:
    """Return an address as it may be shown: without the user name and password in it."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
