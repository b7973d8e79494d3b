"""Which files hold secrets, as their names say."""

from __future__ import annotations

import pytest

from autopack.secrecy.secret_files import is_secret_file


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "deploy/.env.production",
        "prod.env",
        ".envrc",
        "home/.netrc",
        ".npmrc",
        ".aws/credentials",
        "home/.ssh/config",
        "keys/id_rsa",
        "ID_ED25519.pub",
        "tls/server.key",
        "tls/Server.PEM",
        "store.jks",
        "main.tfstate.backup",
        "config/secrets.yaml",
        "credentials.json",
        "config/master.key",
        "service-account-prod.json",
    ],
)
def test_files_that_hold_secrets(path: str) -> None:
    assert is_secret_file(path)


@pytest.mark.parametrize(
    "path",
    [
        "secrets.py",
        "src/credentials.ts",
        "environment.py",
        "env/settings.py",
        "docs/secrets.md",
        "keyboard.c",
        "monkey.py",
        "tokens.json",
        "key.py",
    ],
)
def test_files_that_do_not(path: str) -> None:
    assert not is_secret_file(path)
