"""What a command loads: nothing heavy that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
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

BUILDERS = {"autopack.agents.registry", "autopack.toolchains", "autopack.workspace.mirror"}
"""What every builder brings: its options, and how it works in a checkout."""


@pytest.mark.parametrize(
    ("words", "uses"),
    [
        (["--help"], set[str]()),
        (["runs"], {"sqlalchemy", "alembic", "stamina"}),
        (["show", "unknown-run"], {"sqlalchemy", "stamina"}),
        (["tokens", "unknown-run"], {"sqlalchemy", "stamina"}),
        (["builders"], {"pydantic", "stamina", *BUILDERS}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_heavy_that_it_does_not_use(
    words: list[str], uses: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.getbasetemp() / "start-up-home"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOPACK_", "PREFECT_"))}
    environ |= {"AUTOPACK_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", AUTOPACK, *words],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    assert "deployments.cli" in loaded, done.stderr
    assert loaded & HEAVY <= uses
