"""Artifacts of Prefect: the one place that makes them. Their descriptions are Markdown, too.

Texts of agents and plans go in by way of `autopack.views.escaping`; tables are escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.artifacts import (
    acreate_image_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.schemas.actions import ArtifactUpdate

from autopack.views.escaping import in_table, linked, markdown


def artifact_key(kind: str, run_id: str) -> str:
    """Return ``autopack-<kind>-<run>``; Prefect takes only a-z, 0-9 and dashes."""
    return f"autopack-{kind}-{re.sub('[^a-z0-9-]', '-', run_id)}"


async def publish_markdown(text: str, *, key: str, description: str) -> UUID:
    """Publish Markdown, in which every text that is not Autopack's own is escaped."""
    made = await acreate_markdown_artifact(text, key=key, description=markdown(description))
    return UUID(str(made))


def with_page(text: str, address: str | None) -> str:
    """Return Markdown with a link to the operations page below it, where it is known."""
    return text if address is None else f"{text}\n{linked('On the operations page', address)}\n"


async def change_markdown(artifact: UUID, text: str, *, description: str) -> None:
    """Replace what `publish_markdown` made."""
    async with get_client() as client:
        update = ArtifactUpdate(data=text, description=markdown(description))
        await client.update_artifact(artifact, update)


async def publish_table(rows: Sequence[dict[str, Any]], *, key: str, description: str) -> None:
    """Publish a table; its texts are shown as they are, in one line each."""
    await acreate_table_artifact(in_table(list(rows)), key=key, description=markdown(description))


async def publish_image(address: str, *, key: str, description: str) -> None:
    """Publish an image that the address holds itself."""
    await acreate_image_artifact(address, key=key, description=markdown(description))


async def publish_progress(percent: float, *, key: str, description: str) -> UUID:
    """Publish how far something is, in percent."""
    made = await acreate_progress_artifact(percent, key=key, description=markdown(description))
    return UUID(str(made))


async def change_progress(artifact: UUID, percent: float, *, description: str) -> None:
    """Move what `publish_progress` made."""
    await aupdate_progress_artifact(artifact, progress=percent, description=markdown(description))
