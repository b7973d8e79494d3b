"""Where things are kept, from the environment."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from autopack.model.errors import BadInput
from autopack.settings import VARIABLES, Settings
from autopack.store import Database

FOREIGN = {
    "PATH": "where programs are",
    "TMPDIR": "where temporary files go, and `TMP` and `TEMP`",
    "VIRTUAL_ENV": "the Python environment that the user has activated, which runs do without",
    "XDG_CONFIG_HOME": "where git's settings of the user are",
    "PREFECT_API_AUTH_STRING": "the login of the Prefect server",
    "PREFECT_HOME": "where Prefect keeps its profiles",
    "PREFECT_PROFILES_PATH": "the file of Prefect's profiles",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where [spans of runs](../operations.md#opentelemetry) are sent",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "the same, for spans alone",
    "PREFECT__FLOW_RUN_ID": "set by a worker for the flow run that it starts",
}
"""Variables of others that Autopack reads, and what for; keys are those of their providers."""


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


ROOT = Path(import_module("autopack").__file__ or "").parent.parent
CODE = [
    path
    for layer in ("autopack", "blocks", "tasks", "flows", "deployments")
    for path in sorted((ROOT / layer).rglob("*.py"))
]
READERS = {
    "autopack/settings.py": "the one that reads",
    "flows/server.py": "sets what Prefect reads in this process, and takes it back",
    "deployments/server_process.py": "sets what Prefect reads in the server's process",
    "deployments/prefect_schema.py": "sets what Prefect reads, to write down its tables",
    "deployments/cli/__init__.py": "the console script, which loads next to nothing at first",
    "deployments/hidden.py": "takes over the environment that it was sent",
    "deployments/demo/repository": "a project of somebody else",
}
"""Modules that touch the environment of the process themselves, and why they may."""


def _touches_the_environment(tree: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    nodes = list(ast.walk(tree))
    attributes = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    imported = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "os"
        for alias in node.names
    }
    return bool(attributes & {f"os.{name}" for name in names} or imported & names)


def test_nothing_else_reads_the_environment() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in CODE
        if _touches_the_environment(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {one for one in found if not one.startswith(tuple(READERS))} == set()
    assert {one for one in READERS if not one.endswith("repository")} <= found


ENVIRONMENT = re.compile(r"\benviron\b|process_environment\(")


def _asked_for(tree: ast.AST) -> set[str]:
    """The names of variables that a module looks up in an environment."""
    found: set[str] = set()
    for node in ast.walk(tree):
        of: ast.expr | None = None
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript):
            of, key = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, key = node.func.value, node.args[0]
        if (
            of is None
            or not ENVIRONMENT.search(ast.unparse(of))
            or not isinstance(key, ast.Constant)
        ):
            continue
        if isinstance(key.value, str) and key.value.isupper():
            found.add(key.value)
    return found


def test_every_variable_of_others_that_is_read_is_listed() -> None:
    ours = {each.name for each in VARIABLES} - {"PREFECT_API_URL"}
    asked = {
        name for path in CODE for name in _asked_for(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert asked & ours == set()
    assert asked - {"PREFECT_API_URL"} - FOREIGN.keys() == SET_FOR_PREFECT


SET_FOR_PREFECT = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE",
    "PREFECT_SERVER_API_AUTH_STRING",
}


@pytest.mark.parametrize(
    ("variable", "text", "hint"),
    [
        ("AUTOPACK_SANDBOX", "docker", "use bwrap or off"),
        ("AUTOPACK_EMBEDDER", "word2vec", "use tfidf or minilm"),
        ("AUTOPACK_INSTALL_UNLISTED", "perhaps", "use true or false"),
        ("AUTOPACK_LEASE_SECONDS", "0", "use a number of seconds from 1 to 3600"),
        ("AUTOPACK_MIN_FREE_MB", "much", "use a number of megabytes from 0 to 1000000000"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(
    variable: str, text: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=f"{variable} is '{text}'") as refused:
        Settings.from_environment({"AUTOPACK_HOME": str(tmp_path), variable: text})
    assert (refused.value.field, refused.value.hint) == (variable, hint)
