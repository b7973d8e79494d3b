"""Who may import whom: one direction only, no circles, and `--help` loads nothing heavy.

The order of all packages stands in ``pyproject.toml``, from the top down.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import grimp
import pytest

ROOT = Path(import_module("autopack").__file__ or "").parent.parent
PROJECT = {"autopack", "blocks", "tasks", "flows", "deployments", "autopack_flows", "tests"}

PROJECT_FILE = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PROJECT_FILE["tool"]["importlinter"]["contracts"]
ORDER = next(each["layers"] for each in CONTRACTS if each["id"] == "packages")[::-1]
"""Every package of the domain, from the ground up."""

# What belongs to a user interface or an engine has no place in the domain.
NOT_IN_THE_DOMAIN = {"prefect", "cyclopts", "rich", "click", "typer", "fastapi"}

HEAVY = {"sqlalchemy", "pandas", "prefect", "pydantic", "numpy", "scipy", "matplotlib", "httpx"}


def modules(layer: str) -> list[str]:
    """Every module of a layer but those that are programs, or a script that others run."""
    names = []
    for path in sorted((ROOT / layer).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[:2] == ("deployments", "demo") or parts[-1] == "__main__":
            continue
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def imports(module: str) -> Iterator[str]:
    """The top-level packages that a module names in any import, also inside functions."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0] if node.level == 0 else module.split(".")[0]


HELPER = "autopack.store.migrations.summed_column"


def ours(module: str) -> set[str]:
    """The modules of the project that a module imports from."""
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return {name for name in named if name.partition(".")[0] in PROJECT}


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("autopack", cache_dir=None)


@pytest.mark.parametrize("package", ORDER, ids=[f"{n:02}-{p}" for n, p in enumerate(ORDER)])
def test_a_package_imports_only_what_is_below_it(graph: grimp.ImportGraph, package: str) -> None:
    above = ORDER[ORDER.index(package) + 1 :]
    reached = [
        chain
        for higher in above
        for chain in graph.find_shortest_chains(f"autopack.{package}", f"autopack.{higher}")
    ]
    assert reached == []


@pytest.mark.parametrize("contract", [each["id"] for each in CONTRACTS])
def test_what_the_project_says_of_its_imports_is_kept(contract: str) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache", "--contract", contract],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_domain_names_no_engine_and_no_user_interface() -> None:
    found = {
        (module, name)
        for module in modules("autopack")
        for name in imports(module)
        if name in NOT_IN_THE_DOMAIN
    }
    assert found == set()


def test_the_whole_domain_can_be_imported_without_prefect() -> None:
    names = [name for name in modules("autopack") if ".migrations" not in name]
    assert len(names) > 50
    run(
        "import sys, importlib\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "reached = {'prefect', 'tasks', 'flows', 'blocks', 'deployments'} & set(sys.modules)\n"
        "assert not reached, reached\n"
    )


def test_migrations_name_neither_prefect_nor_todays_tables() -> None:
    versions = [name for name in modules("autopack") if ".migrations.versions." in name]
    assert versions
    for module in versions:
        # A migration that reads today's tables would change when they do.
        assert set(imports(module)).isdisjoint(NOT_IN_THE_DOMAIN), module
        assert ours(module) <= {HELPER}, module
    assert ours(HELPER) == set(), "what migrations share knows the database alone"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_is_quick_because_it_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import contextlib, io, sys\n"
        "from deployments.cli import run_command\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    assert run_command({arguments!r}) == 0\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    heavy = HEAVY if arguments != ["run", "--help"] else {"prefect", "pandas"}
    assert set(run(code).split()) & heavy == set()


def test_the_errors_load_nothing_at_all() -> None:
    loaded = run("import sys, autopack.model.errors; print(*sys.modules)").split()
    assert not {name for name in loaded if name.partition(".")[0] in HEAVY}
