"""What the documentation names exists, and what it shows being typed does what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.documents import EXAMPLES, PAGES, ROOT, Fence, command_lines, fences
from support.reference.answers import keys

from autopack.agents.registry import builder_classes
from autopack.experiments.design.definition import ArmSpec, Experiment
from autopack.plan.plan import Models, PhaseBudget, PhaseSpec, Plan, Policy, RunBudget, Scope
from deployments.cli import run_command

_EXECUTED = [page for page in PAGES if any(fence.is_executed for fence in fences(page))]
_SECONDS = 300

# What people wrote; the other pages are written from the code.
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
ENTRY_POINT_GROUPS = ("autopack.failure_patterns", "autopack.sources")
FILES_OF_USERS = {"deployments/.env", "autopack.toml"}
_FILE = re.compile(r"\.(cfg|csv|db|json|jsonl|log|md|py|toml|txt|ya?ml)$")
KEYS_OF_FILES = {
    f"{at}{field.validation_alias or name}"
    for at, model in (
        ("", Plan),
        ("phases[].", PhaseSpec),
        ("scope.", Scope),
        ("budget.", PhaseBudget),
        ("budget.", RunBudget),
        ("policy.", Policy),
        ("models.", Models),
        ("", Experiment),
        ("", ArmSpec),
    )
    for name, field in model.model_fields.items()
}
# Answers that only other runs give: null in the one that the reference is made from.
KEYS_OF_OTHER_RUNS = {"problems"}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_every_builder_is_in_both_tables_of_figures() -> None:
    text = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    for title in ("| builder | tells its calls |", "| builder | how far a cap on tokens"):
        table = text[text.index(title) :].partition("\n\n")[0]
        named = re.findall(
            r"`([a-z-]+)`", " ".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))
        )
        assert {agent.name for agent in builder_classes()} <= set(named), title


def test_the_readme_fits_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_and_option_exists(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for line, words in command_lines(page):
        options = {w.partition("=")[0] for w in words if re.match(r"--[a-z]", w)}
        text = _help(_command(words), capsys)
        known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) | {"--help", "--version"}
        assert options <= known, f"{_name(page)}:{line}: {words}: {options - known}"


def _command(words: list[str]) -> list[str]:
    """The words that name the command, which is at most three deep."""
    names = list(words[:3])
    while names and not re.fullmatch(r"[a-z][a-z-]*", names[-1]):
        names.pop()
    return names


def _help(names: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The help of the command; its last words may be arguments."""
    for words in (names, names[:2], names[:1]):
        if run_command([*words, "--help"]) == 0:
            return capsys.readouterr().out
        capsys.readouterr()
    raise AssertionError(f"no command: autopack {' '.join(names)}")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_variable_is_read_somewhere(page: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("autopack", "blocks", "tasks", "flows", "deployments")
        for path in (ROOT / folder).rglob("*.py")
    )
    named = set(re.findall(r"\bAUTOPACK_[A-Z][A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    features = {name for name in named if name.startswith("AUTOPACK_ENABLE_")}
    assert {name for name in named - features if name not in code} == set()


@pytest.mark.parametrize("page", WRITTEN, ids=_name)
def test_every_path_of_the_project_is_there(page: Path) -> None:
    named = re.findall(
        r"(?<![\w/.~*-])(?:autopack|blocks|tasks|flows|deployments|tests|docs|examples|\.ci)"
        r"/[\w./-]*\w/?(?![\w*<{])",
        page.read_text(encoding="utf-8"),
    )
    branches = [path for path in named if re.fullmatch(r"autopack/[\w-]+", path)]
    ours = set(named) - set(branches) - FILES_OF_USERS
    assert [path for path in ours if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=_name)
def test_every_module_can_be_imported(page: Path) -> None:
    named = re.findall(
        r"(?:`|python -m )(autopack(?:\.[a-z_]+)+)(?=`| )", page.read_text(encoding="utf-8")
    )
    known = {*ENTRY_POINT_GROUPS, *FILES_OF_USERS}
    assert [one for one in named if one not in known and not _is_importable(one)] == []


def _is_importable(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if find_spec(module) is None:
        return False
    return find_spec(name) is not None or hasattr(import_module(module), attribute)


@pytest.mark.parametrize("page", WRITTEN, ids=_name)
def test_every_json_key_is_answered_or_declared(page: Path) -> None:
    """What a page writes like ``phases[].failure.cause``, and what stands beside the word JSON."""
    text = page.read_text(encoding="utf-8")
    known = keys() | KEYS_OF_FILES | KEYS_OF_OTHER_RUNS
    tails = {part for path in known for part in re.split(r"\W+", path)}
    dotted = re.findall(r"`([a-z_]+(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+)`", text)
    roots = {re.split(r"\W", path)[0] for path in known}
    wrong = [
        path
        for path in dotted
        if re.split(r"\W", path)[0] in roots
        and not _FILE.search(path)
        and not any(one == path or one.endswith(f".{path}") for one in known)
    ]
    beside = re.findall(r"\(`([a-z_]+)` in (?:its|the|their) JSON\)", text)
    assert wrong + [key for key in beside if key not in tails] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", _EXECUTED, ids=_name)
def test_transcripts_print_what_they_show(page: Path, tmp_path: Path, prefect_api: str) -> None:
    environment = _environment(tmp_path, prefect_api)
    if page in EXAMPLES:
        shutil.copytree(page.parent, tmp_path, dirs_exist_ok=True)
    for fence in fences(page):
        if fence.file is not None:
            path = tmp_path / fence.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.body, encoding="utf-8")
        elif fence.is_executed:
            _type(fence, tmp_path, environment)


def _environment(folder: Path, prefect_api: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOPACK_", "PREFECT_"))}
    kept.pop("DATABASE_URL", None)
    git = {"GIT_CONFIG_GLOBAL": str(folder / ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    (folder / ".gitconfig").write_text(
        "[user]\n name = U\n email = u@example.org\n[init]\n defaultBranch = main\n"
    )
    return kept | git | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "HOME": str(folder),
        "AUTOPACK_HOME": str(folder / ".autopack"),
        "PREFECT_API_URL": prefect_api,
        "TMPDIR": str(folder),
        "COLUMNS": "160",
    }  # fmt: skip


def _type(fence: Fence, folder: Path, environment: dict[str, str]) -> None:
    commands = fence.typed()
    for typed in commands:
        ended = subprocess.run(
            ["bash", "-c", typed.line],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        where = f"{_name(fence.page)}:{fence.line}: {typed.line}\n{ended.stdout}"
        assert ended.returncode == (fence.exit_code if typed is commands[-1] else 0), where
        assert typed.lacking(ended.stdout) == [], where
