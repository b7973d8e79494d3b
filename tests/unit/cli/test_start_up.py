"""What a command loads: nothing heavy that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

AUTOPACK = str(Path(sys.executable).parent / "autopack")

HEAVY = {
    "alembic",
    "asyncpg",
    "fastapi",
    "httpx",
    "matplotlib",
    "numpy",
    "pandas",
    "prefect",
    "pydantic",
    "pydantic_ai",
    "scipy",
    "sqlalchemy",
    "stamina",
    "unidiff",
    "autopack.workspace.mirror",
    "autopack.agents.registry",
    "autopack.toolchains",
}
"""Each costs more than the command line itself: some 50 ms of a quiet machine."""


COMMANDS = [
    (["--help"], set[str]()),
    (["runs"], {"sqlalchemy", "alembic"}),
    (["show", "unknown-run"], {"sqlalchemy"}),
    (["tokens", "unknown-run"], {"sqlalchemy"}),
    (
        ["builders"],
        {
            *("pydantic", "autopack.agents.registry", "autopack.toolchains"),
            # Every builder is looked at, the recorded and the simulated one included.
            *("autopack.agents", "autopack.testing"),
        },
    ),
]

MOST_OF_CYCLOPTS = 2.0
"""How much longer than cyclopts, which every command needs, a package may take to load that a
command does not use: some 50 ms of a quiet machine."""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("start-up") / "home"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOPACK_", "PREFECT_"))}
    made = kept | {"AUTOPACK_HOME": str(home)}
    subprocess.run([AUTOPACK, "runs"], env=made, capture_output=True, check=True)
    return made


def loaded(words: list[str], environ: dict[str, str]) -> dict[str, int]:
    """Return the modules that a command loads, and how many microseconds each takes itself."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", AUTOPACK, *words],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.removeprefix("import time:") for line in done.stderr.splitlines()]
    rows = [line.split("|") for line in lines if line.count("|") == 2 and "[us]" not in line]
    found = {name.strip(): int(own) for own, _, name in rows}
    assert "deployments.cli" in found, done.stderr
    return found


@pytest.mark.parametrize(
    ("words", "uses"),
    COMMANDS,
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_heavy_that_it_does_not_use(
    words: list[str], uses: set[str], environ: dict[str, str]
) -> None:
    looks = [loaded(words, environ) for _ in range(3)]
    assert looks[0].keys() & HEAVY <= uses

    own = {name: min(look.get(name, taken) for look in looks) for name, taken in looks[0].items()}
    packages: Counter[str] = Counter()
    for module, taken in own.items():
        first, _, rest = module.partition(".")
        packages[f"autopack.{rest.partition('.')[0]}" if first == "autopack" else first] += taken
    slow = {
        name for name, taken in packages.items() if taken > MOST_OF_CYCLOPTS * packages["cyclopts"]
    }
    # Tables and statements are what a command with a database is made of.
    assert slow <= uses | ({"autopack.store"} if "sqlalchemy" in uses else set())
