"""Preparing the environment of a run: what is run, in which order, how often, and what fails."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autopack.environments.environment import (
    Checkout,
    EnvironmentFailed,
    RunEnvironment,
    Wanted,
    prepare,
)
from autopack.process.child_environment import bin_folder
from autopack.toolchains.detect import detect
from autopack.toolchains.needed import needed

TEST = "def test_it():\n    assert True\n"
POETRY = (
    '[tool.poetry]\nname = "shop"\npackage-mode = false\n[tool.poetry.dependencies]\na = "^1"\n'
)


@dataclass(frozen=True)
class Ended:
    status: int | None = 0
    tail: str = ""


@dataclass
class Recorder:
    """Stands for the supervisor: notes every step, and answers with the status that is set."""

    status: Mapping[str, int | None] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    variables: list[Mapping[str, str]] = field(default_factory=list)

    async def __call__(self, argv, cwd, env, label) -> Ended:
        words = [Path(argv[0]).name, *argv[1:]]
        self.steps.append(" ".join(words))
        self.folders.append(cwd)
        self.variables.append(env)
        status = next((s for part, s in self.status.items() if part in self.steps[-1]), 0)
        if "venv" in words and status == 0:
            bin_folder(Path(argv[-1])).mkdir(parents=True)
            (Path(argv[-1]) / "pyvenv.cfg").touch()
            program(bin_folder(Path(argv[-1])), "python")
        return Ended(status, "the end of the output")


def program(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The only folder on PATH."""
    for name in ("uv", "poetry", "npm", "make"):
        program(tmp_path / "tools", name)
    return tmp_path / "tools"


@pytest.fixture
def prepared(tmp_path: Path, tools: Path, lay, monkeypatch: pytest.MonkeyPatch):
    """Prepares a run of a repository made of ``files``."""
    monkeypatch.setattr("autopack.environments.setup_steps.own_bin_folder", lambda: None)

    async def run(files: Mapping[str, str], recorder: Recorder, setup=None) -> RunEnvironment:
        workspace = lay(files)
        return await prepare(
            tmp_path / "run",
            Checkout(workspace),
            Wanted(setup, needed(detect(workspace), [], inferred=True)),
            run_step=recorder,
            environ={"PATH": str(tools), "OPENAI_API_KEY": "secret"},
        )

    return run


pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs here are shell scripts")


async def test_plain_python_needs_an_environment_and_pytest(prepared, tmp_path: Path) -> None:
    recorder = Recorder()

    made = await prepared({"test_it.py": TEST}, recorder)

    create, seed, install = recorder.steps
    assert create.startswith("uv venv --python ")
    assert create.endswith(str(tmp_path / "run" / "environment"))
    assert seed.startswith("uv pip install --python ")
    assert install == f"uv pip install --python {made.venv}/bin/python pytest"
    assert made.variables["PATH"].startswith(str(tmp_path / "run" / "environment"))
    assert made.notes == ()


async def test_without_uv_the_machines_python_makes_the_environment(prepared, tools: Path) -> None:
    (tools / "uv").unlink()
    recorder = Recorder()

    await prepared({"test_it.py": TEST}, recorder)

    create, install = recorder.steps
    assert " -m venv " in create
    assert install == "python -m pip install pytest"


async def test_pip_takes_over_when_uv_fails_and_a_note_says_so(prepared) -> None:
    recorder = Recorder({"uv pip install --python": 1})

    made = await prepared({"test_it.py": TEST}, recorder)

    assert recorder.steps[-1] == "python -m pip install pytest"
    assert any("so pip did" in note for note in made.notes)


async def test_a_manager_that_is_missing_has_a_stand_in_and_a_note(prepared, tools: Path) -> None:
    (tools / "poetry").unlink()
    recorder = Recorder()

    made = await prepared({"pyproject.toml": POETRY, "poetry.lock": ""}, recorder)

    assert recorder.steps[-1].endswith("a>=1,<2")
    assert "poetry is not on PATH" in made.notes[0]


async def test_a_manager_that_is_there_is_used(prepared) -> None:
    recorder = Recorder()

    await prepared({"pyproject.toml": POETRY, "poetry.lock": ""}, recorder)

    assert recorder.steps[-1] == "poetry install --no-interaction"


async def test_an_explicit_setup_runs_exactly_and_in_the_workspace(prepared, lay) -> None:
    recorder = Recorder()
    setup = (("make", "deps"), ("python", "-m", "pip", "install", "x"))

    await prepared({"test_it.py": TEST}, recorder, setup)

    assert recorder.steps[2:] == ["make deps", "python -m pip install x"]
    assert set(recorder.folders[2:]) == {lay({})}


async def test_an_empty_setup_installs_nothing(prepared) -> None:
    recorder = Recorder()

    await prepared({"package.json": '{"dependencies": {"a": "1"}}'}, recorder, ())

    assert recorder.steps == []


async def test_a_setup_that_calls_python_gets_an_environment(prepared) -> None:
    made = await prepared({}, Recorder(), (("python", "--version"),))

    assert made.venv is not None


async def test_every_project_is_installed_in_its_own_folder(prepared, lay) -> None:
    recorder = Recorder()
    files = {
        "api/requirements.txt": "flask\n",
        "web/package.json": '{"name": "w", "dependencies": {"a": "1"}}',
    }

    await prepared(files, recorder)

    assert (
        dict(zip(recorder.steps, recorder.folders, strict=True))["npm install --no-package-lock"]
        == lay({}) / "web"
    )
    assert recorder.folders[-1] == lay({}) / "api"


async def test_no_step_sees_a_secret(prepared) -> None:
    recorder = Recorder()

    await prepared({"test_it.py": TEST}, recorder)

    assert not any("OPENAI_API_KEY" in variables for variables in recorder.variables)


async def test_prepared_once(prepared) -> None:
    first = await prepared({"test_it.py": TEST}, Recorder())
    again = Recorder()

    second = await prepared({"test_it.py": TEST}, again)

    assert again.steps == []
    assert second == first


async def test_notes_are_remembered(prepared) -> None:
    first = await prepared({"test_it.py": TEST}, Recorder({"uv pip install": 1}))

    second = await prepared({"test_it.py": TEST}, Recorder())

    assert second.notes == first.notes != ()


# what makes a prepared environment stale: files added to the repository, another setup
STALE = [
    ({"requirements.txt": "flask\n"}, None),
    ({"tests/requirements.txt": "flask\n"}, None),
    ({}, (("make", "deps"),)),
]


@pytest.mark.parametrize(("files", "setup"), STALE)
async def test_prepared_anew_when_it_was_made_from_something_else(prepared, files, setup) -> None:
    before = {"requirements.txt": "", "test_it.py": TEST}
    await prepared(before, Recorder())
    again = Recorder()

    await prepared(before | files, again, setup)

    assert again.steps


async def test_a_change_of_code_keeps_it(prepared) -> None:
    await prepared({"test_it.py": TEST, "calc.py": ""}, Recorder())
    again = Recorder()

    await prepared({"calc.py": "x = 1\n"}, again)

    assert again.steps == []


async def test_half_an_environment_is_made_anew(prepared, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed):
        await prepared({"test_it.py": TEST}, Recorder({"pip install": 1}))
    (tmp_path / "run" / "environment" / "left-over").touch()

    made = await prepared({"test_it.py": TEST}, Recorder())

    assert not (made.root / "left-over").exists()


async def test_an_environment_that_was_deleted_is_made_anew(prepared) -> None:
    made = await prepared({"test_it.py": TEST}, Recorder())
    shutil.rmtree(made.root)
    again = Recorder()

    await prepared({"test_it.py": TEST}, again)

    assert again.steps


async def test_modules_that_were_cleaned_away_are_installed_again(prepared, lay) -> None:
    files = {"package.json": '{"name": "w", "dependencies": {"a": "1"}}'}
    lay({"node_modules/a/index.js": ""})
    await prepared(files, Recorder())
    shutil.rmtree(lay({}) / "node_modules")
    again = Recorder()

    await prepared(files, again)

    assert again.steps == ["npm install --no-package-lock"]


async def test_a_damaged_record_is_no_record(prepared, tmp_path: Path) -> None:
    await prepared({"test_it.py": TEST}, Recorder())
    (tmp_path / "run" / "environment.json").write_text("{", encoding="utf-8")
    again = Recorder()

    await prepared({"test_it.py": TEST}, again)

    assert again.steps


async def test_the_record_appears_only_when_everything_succeeded(prepared, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed):
        await prepared({"test_it.py": TEST}, Recorder({"pip install": 1}))
    assert not (tmp_path / "run" / "environment.json").exists()

    await prepared({"test_it.py": TEST}, Recorder())
    record = json.loads((tmp_path / "run" / "environment.json").read_text(encoding="utf-8"))
    assert set(record) == {"key", "notes", "modules", "installs", "environment", "workspace"}


async def test_a_failed_step_is_told_with_the_end_of_its_output(prepared) -> None:
    with pytest.raises(EnvironmentFailed, match=r"`make deps` in .* ended with status 2") as failed:
        await prepared({}, Recorder({"make": 2}), (("make", "deps"),))

    assert failed.value.tail == "the end of the output"
    assert failed.value.as_json()["kind"] == "environment"


async def test_a_step_that_was_ended_is_told_so(prepared) -> None:
    with pytest.raises(EnvironmentFailed, match="was ended before it finished"):
        await prepared({}, Recorder({"make": None}), (("make", "deps"),))


async def test_a_program_that_is_missing_is_named(prepared) -> None:
    with pytest.raises(EnvironmentFailed, match="needs cargo, which is not on PATH"):
        await prepared({"Cargo.toml": '[package]\nname = "a"\n'}, Recorder())


async def test_a_program_of_the_repository_is_found_in_it(prepared, lay) -> None:
    program(lay({}), "install.sh")
    recorder = Recorder()

    await prepared({}, recorder, (("./install.sh",),))

    assert recorder.steps == ["install.sh"]
