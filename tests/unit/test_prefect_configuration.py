"""The server is found where Prefect finds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from autopack.settings import Settings
from flows.configuration import check_configuration, configured
from flows.server import server_url

URL = "http://prefect.example/api"


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE")
    for name in (*names, "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def found(tmp_path: Path) -> str | None:
    return server_url(Settings(tmp_path, "sqlite://"))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect.toml", f'[api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{URL}"\n'),
        (".env", f"PREFECT_API_URL={URL}\n"),
        ("profiles.toml", f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{URL}"\n'),
    ],
)
def test_a_server_is_found_in_every_place_of_prefect(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert found(tmp_path) == URL


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefect.toml").write_text(f'[api]\nurl = "{URL}"\n')
    monkeypatch.setenv("PREFECT_API_URL", "http://other.example/api")
    assert found(tmp_path) == "http://other.example/api"


def test_nobody_is_asked_where_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.configuration.configured", None)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "profiles.toml").write_text('active = "ephemeral"\n')
    assert found(tmp_path) is None


def test_login_headers_and_certificates_are_those_of_prefect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prefect.toml").write_text(
        '[api]\nauth_string = "admin:pw"\ntls_insecure_skip_verify = true\n'
        '[client]\ncustom_headers = {X-Team = "a"}\n'
    )
    said = configured()
    assert said.headers == {"X-Team": "a", "Authorization": "Basic YWRtaW46cHc="}
    assert said.verify is False
    assert "pw" not in repr(said)


def test_what_prefect_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_text("[api\nurl = 1\n")
    with pytest.raises(BadInput, match=r"prefect\.toml"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "field", "said"),
    [
        ("prefect.toml", b"[api\nurl = 1\n", "prefect.toml", "line 1"),
        ("prefect.toml", b"[api]\nurl = 17\n", "PREFECT_API_URL", "valid string"),
        ("prefect.toml", b"[client]\nmax_retries = -1\n", "PREFECT_CLIENT_MAX_RETRIES", "than"),
        ("prefect.toml", b"[logging]\nlevel = 17\n", "prefect.toml", "upper"),
        ("pyproject.toml", b"[project\n", "pyproject.toml", "line 1"),
        (
            "pyproject.toml",
            b"[tool.prefect.logging]\nlevel = 'LOUD'\n",
            "PREFECT_LOGGING_LEVEL",
            "DEBUG",
        ),
        (".env", b"PREFECT_LOGGING_LEVEL=LOUD\n", "PREFECT_LOGGING_LEVEL", "DEBUG"),
        (".env", b"NAME=k\xe4se\n", ".env", "UTF-8"),
    ],
)
def test_a_file_that_keeps_prefect_from_being_loaded_is_named(
    tmp_path: Path, file: str, content: bytes, field: str, said: str
) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(BadInput, match=f" in {file}: .*{said}") as refused:
        check_configuration()
    assert refused.value.field == field
    assert "17" not in refused.value.message, "a value may be a key"


def test_so_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "LOUD")
    with pytest.raises(BadInput, match="in the environment: PREFECT_LOGGING_LEVEL"):
        check_configuration()


def test_nobody_is_asked_about_a_server_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in os.environ if one.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_API_URL", URL)
    monkeypatch.setattr("flows.configuration.configured", None)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / ".env").write_text("DEBUG=1\n")
    check_configuration()
