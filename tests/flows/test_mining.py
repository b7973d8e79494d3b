"""The flow that mines errors, on each engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stored_errors import error, store

from autopack.settings import Settings
from autopack.store.database.engine import Database


async def test_errors_are_mined_and_reported(home: Path) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows import mine_patterns

    db = Database.open(Settings.from_environment().database_url)
    store(db, [error(n, f"KeyError: '{n}'") for n in range(3)])
    db.close()
    report = await mine_patterns(min_occurrences=2)
    assert [each["normalised"] for each in report["signatures"]] == ["KeyError: <*>"]
    async with get_client() as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["autopack-patterns"]))
        (artifact, *_) = await client.read_artifacts(artifact_filter=wanted)
    assert "KeyError" in str(artifact.data)


async def test_a_wrong_period_is_refused(home: Path) -> None:
    from flows import mine_patterns

    with pytest.raises(Exception, match="yesterday"):
        await mine_patterns(since="yesterday")
