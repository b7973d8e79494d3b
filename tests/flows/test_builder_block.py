"""A builder whose options and keys come from a block."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from support.projects import make_project

from autopack.model.errors import NotFound
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.testing.model_server import ScriptedModelServer

KEY = "sk-canary-of-a-block-0123456789"


async def test_a_block_gives_options_and_a_key_that_is_kept_nowhere(
    home: Path, tmp_path: Path
) -> None:
    from blocks import ApiBlock
    from flows import execute_run

    script = {
        "turns": [
            {"tools": [{"name": "write_file", "arguments": {"path": "a", "content": KEY}}]},
            {"text": f"I was called with {KEY}."},
        ]
    }
    project = make_project(tmp_path, {"one": []}, phase={"validate": ["sh -c 'cat a; false'"]})
    plan = project.plan.read_text().replace("goal:", "models: {builder: fake-model}\ngoal:")
    project.plan.write_text(plan.replace("- id: one", "- id: one\n  budget: {attempts: 1}"))
    with ScriptedModelServer(script) as server:
        block = ApiBlock(api_key=SecretStr(KEY), base_url=server.openai_url, provider="openai-chat")
        await block.asave("work", overwrite=True)
        run = await execute_run(
            plan=str(project.plan), repo=str(project.repository), builder="api/work", run_id="r"
        )
        assert server.totals().total == run["tokens"]["total"] > 0

    assert run["builder"] == "api/work"
    assert KEY not in str(run)
    db = Database.open(os.environ["DATABASE_URL"])
    assert get_run(db, "r").builder_options["provider"] == "openai-chat"
    db.close()
    spools = [path for path in (home / "runs" / "r" / "spool").rglob("*") if path.is_file()]
    assert any("[secret]" in path.read_text() for path in spools)
    assert not any(KEY in path.read_text() for path in spools)
    database = tmp_path / "autopack.db"
    if database.exists():
        assert KEY.encode() not in database.read_bytes()


async def test_a_block_that_is_not_there_is_named(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    project = make_project(tmp_path, {"one": []})
    with pytest.raises(NotFound, match="autopack-builder-codex/nobody"):
        await execute_run(
            plan=str(project.plan), repo=str(project.repository), builder="codex/nobody"
        )


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_a_block_of_an_older_class_is_told_by_its_fields(home: Path) -> None:
    from prefect.blocks.core import Block

    from autopack.model.errors import BadInput
    from flows import execute_run

    with pytest.warns(UserWarning, match="existing type will be overridden"):

        class Older(Block):
            _block_type_name = "Autopack Database"
            _block_type_slug = "autopack-database"
            address: str = "sqlite://"

    await Older().save("older", overwrite=True)  # pyright: ignore[reportGeneralTypeIssues]
    with pytest.raises(BadInput, match="url: Field required") as told:
        await execute_run(run_id="x", database="older")
    assert told.value.field == "database"


def test_a_block_has_every_option_of_its_builder() -> None:
    import blocks
    from autopack.agents.registry import builder_classes
    from blocks.builders import block_class_name

    for agent in builder_classes():
        block = getattr(blocks, block_class_name(agent.name))
        rows = agent.options_class.rows()
        schema = block.model_json_schema()
        assert list(schema["properties"]) == [row.name for row in rows]
        assert block.get_block_type_slug() == f"autopack-builder-{agent.name}"
        assert schema["secret_fields"] == [row.name for row in rows if row.is_secret]


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_a_block_that_an_older_version_saved_is_taken(home: Path, tmp_path: Path) -> None:
    """As it was stored: with fewer fields, and null in those that were left empty."""
    from prefect.blocks.core import Block
    from prefect.utilities.dispatch import get_registry_for_type

    import blocks
    from blocks.configured import configured

    class Older(Block):
        _block_type_name = "Autopack Builder: pi"
        _block_type_slug = "autopack-builder-pi"
        api_key: SecretStr | None = None
        key_env: str | None = None
        model: str | None = None
        stall: float | None = None
        max_files: int | None = None

    older = Older(api_key=SecretStr(KEY), stall=2.5)
    await older.save("older", overwrite=True)  # pyright: ignore[reportGeneralTypeIssues]
    registry = get_registry_for_type(Block)
    assert registry is not None
    registry["autopack-builder-pi"] = blocks.PiBlock

    found = await configured("pi/older")

    assert (found.options, found.secrets) == ({"stall": "2.5"}, {"api_key": KEY})
