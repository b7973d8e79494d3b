"""Where things are kept, from the environment."""

from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from autopack.settings import Settings
from autopack.store import Database


def test_the_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings.from_environment({"AUTOPACK_HOME": str(tmp_path / "a" / "home")})
    assert settings.home == tmp_path / "a" / "home"
    assert settings.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("environ", [{}, {"AUTOPACK_HOME": ""}])
def test_the_default_home_is_below_the_user(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_environment(environ).home == tmp_path / ".autopack"


def test_a_tilde_is_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_environment({"AUTOPACK_HOME": "~/x"}).home == tmp_path / "x"


def test_a_relative_home_does_not_move_with_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"AUTOPACK_HOME": "home"})
    monkeypatch.chdir("/")
    assert settings.run_folder("r") == tmp_path / "home" / "runs" / "r"


def test_the_environment_of_the_process_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    settings = Settings.from_environment()
    assert (settings.home, settings.database_url) == (tmp_path / "home", "postgresql://host/name")


@pytest.mark.parametrize("name", ["home", "with space", "käse", "a%20b", "a#b", "a?b=c"])
def test_the_default_database_is_a_file_in_the_home(name: str, tmp_path: Path) -> None:
    settings = Settings.from_environment({"AUTOPACK_HOME": str(tmp_path / name)})
    Database.open(settings.database_url).close()
    assert (tmp_path / name / "autopack.db").is_file()


def test_a_home_that_cannot_be_a_folder_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"AUTOPACK_HOME .* cannot be a folder") as refused:
        Settings.from_environment({"AUTOPACK_HOME": str(tmp_path / "file" / "home")})
    assert refused.value.field == "AUTOPACK_HOME"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 45.0), ("1", 1.0), ("2.5", 2.5), ("3600", 3600.0)],
)
def test_the_length_of_leases(text: str, seconds: float, tmp_path: Path) -> None:
    environ = {"AUTOPACK_HOME": str(tmp_path), "AUTOPACK_LEASE_SECONDS": text}
    assert Settings.from_environment(environ).lease_seconds == seconds


# below, above, not a number at all
@pytest.mark.parametrize("text", ["0.9", "0", "-5", "3601", "inf", "nan", "soon", "45s"])
def test_a_wrong_length_of_leases_names_the_variable(text: str, tmp_path: Path) -> None:
    environ = {"AUTOPACK_HOME": str(tmp_path), "AUTOPACK_LEASE_SECONDS": text}
    with pytest.raises(BadInput, match="AUTOPACK_LEASE_SECONDS") as refused:
        Settings.from_environment(environ)
    assert refused.value.hint == "use a number of seconds from 1 to 3600"


@pytest.mark.parametrize(("text", "free"), [("", 100_000_000), ("0", 0), ("2.5", 2_500_000)])
def test_the_room_that_a_build_needs(text: str, free: int, tmp_path: Path) -> None:
    environ = {"AUTOPACK_HOME": str(tmp_path), "AUTOPACK_MIN_FREE_MB": text}
    assert Settings.from_environment(environ).min_free_bytes == free


@pytest.mark.parametrize("text", ["-1", "nan", "plenty"])
def test_a_wrong_room_names_the_variable(text: str, tmp_path: Path) -> None:
    environ = {"AUTOPACK_HOME": str(tmp_path), "AUTOPACK_MIN_FREE_MB": text}
    with pytest.raises(BadInput, match="AUTOPACK_MIN_FREE_MB"):
        Settings.from_environment(environ)
