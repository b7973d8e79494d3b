"""Secrets are recognised by names and by what they look like."""

from __future__ import annotations

import pytest

from autopack.secrecy.credentials import (
    environment_secrets,
    names_a_secret,
    shown_address,
    url_holds_secret,
)


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY",
        "apiKey",
        "x-api-key",
        "APIKEY",
        "MYSERVICEAPIKEY",
        "AWS_ACCESS_KEY_ID",
        "SSH_KEY",
        "TOKEN",
        "GH_TOKEN",
        "authToken",
        "GITHUB_PAT",
        "DB_PASSWORD",
        "DBPASSWORD",
        "passwd",
        "PGPASSFILE",
        "BITBUCKET_APP_PW",
        "REDIS_PWD",
        "COOKIE",
        "JWT",
        "SENTRY_DSN",
        "VAULT_ADDR_AUTH",
        "SLACK_WEBHOOK_URL",
        "AZURE_STORAGE_CONNECTION_STRING",
        "DB_CONN",
        "SESSION_ID",
        "GIT_ASKPASS",
        "CLIENT_SECRET_FILE",
        "MY_CREDS",
        "K8S_TOKEN",
        "npm_config_//registry.example.com/:_authToken",
        "SIGNING_KEY_PEM",
        "TLS_KEY_B64",
        "STRIPE_KEY_LIVE",
        "MASTER_KEYS",
        "OPENAIKEY",
        "DBPASS",
        "OAUTH",
        "PASSKEY",
        "RECOVERY_PHRASE",
    ],
)
def test_a_name_that_tells(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "PWD",
        "OLDPWD",
        "LANG",
        "KEYBOARD",
        "AUTHOR",
        "TOKENIZERS_PARALLELISM",
        "XAUTHORITY",
        "COMPASS_DIR",
        "GIT_AUTHOR_NAME",
        "MONKEY_TYPE",
        "XDG_SESSION_ID",
        "DATABASE_URL",
        "PATTERN",
        "SSL_CERT_FILE",
        "CLIENT_KEYBOARD",
        "USER_PASSENGERS",
        "DATA_DIR",
    ],
)
def test_a_name_that_only_looks_like_one(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        ("ANTHROPIC_API_KEY", "sk-123", {"sk-123"}),
        ("AUTOPACK_BUILDER_KEY", "sk-123", {"sk-123"}),
        ("GH_TOKEN", "ghp", {"ghp"}),
        # only the password of a URL is one, as it stands there and as it is sent
        ("DATABASE_URL", "postgresql://me:pass-word@host/db", {"pass-word"}),
        ("DATABASE_URL", "postgresql+psycopg://me:a%2Fb@host/db", {"a%2Fb", "a/b"}),
        ("DATABASE_URL", "postgresql://me@host/db?sslpassword=pass-word", {"me", "pass-word"}),
        ("DATABASE_URL", "sqlite:////home/me/x.db", set()),
        # under whatever name
        ("UPSTREAM", "https://me:p@ss-word@host/db", {"p@ss-word"}),
        ("UPSTREAM", "https://some-token@host/db", {"some-token"}),
        ("UPSTREAM", "https://ab0123456789:x-oauth-basic@host/db", {"ab0123456789"}),
        ("UPSTREAM", "ssh://git@host/db", set()),
        ("GIT_CONFIG_VALUE_0", "Authorization: abcdefgh", {"abcdefgh"}),
        ("STORAGE", "AccountName=n;AccountKey=abcdefgh==;X=y", {"abcdefgh=="}),
        # who knows the address may post there
        ("MY_WEBHOOK", "https://example.com/abcdefgh", {"https://example.com/abcdefgh"}),
        ("PREFECT_API_URL", "http://127.0.0.1:4200/api", set()),
        ("AUTH_URL", "https://login.example.com/", set()),
        # a place, not a secret
        ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/google.json", set()),
        ("HOME", "/root", set()),
        ("MY_SECRET_FILE", "~/.config/x", set()),
        ("MY_SECRET_FILE", "~me/x", set()),
        # base64 has slashes, too, also at its beginning
        ("MY_SECRET", "/9j4AAQSkZJRgABAQ+x/y==", {"/9j4AAQSkZJRgABAQ+x/y=="}),
        ("MY_SECRET", "/9j4AAQSkZJRgABAQ", {"/9j4AAQSkZJRgABAQ"}),
        ("MY_PASSWORD", "~Hunter22", {"~Hunter22"}),
        ("UPSTREAM", "postgresql://me:a/b#c1234@host/db", {"a/b#c1234"}),
        ("ANTHROPIC_MODEL", "claude", set()),
    ],
)
def test_the_secrets_of_an_environment(name: str, value: str, secrets: set[str]) -> None:
    assert environment_secrets({name: value}) == secrets


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("https://host/v1", False),
        ("http://127.0.0.1:8080/v1?version=2", False),
        ("https://me:pass@host/v1", True),
        ("https://token@host/v1", True),
        ("https://host/v1?api_key=x", True),
        ("https://host/v1?key=x", True),
        ("https://host/v1?sig=x", True),
        ("https://host/sk-ant-0123456789abcdef/v1", True),
    ],
)
def test_addresses_that_may_not_be_stored(url: str, holds: bool) -> None:
    assert url_holds_secret(url) == holds


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("http://ann:secret@127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://token@host", "https://host"),
        ("https://ann:se@cret@host/api@2", "https://host/api@2"),
        ("https://ann:secret@[::1]:4200/api?a=b@c", "https://[::1]:4200/api?a=b@c"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_shown_without_its_login(url: str, shown: str) -> None:
    assert shown_address(url) == shown
