"""The database block: which application database a flow writes to."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class AutopackDatabase(Block):
    """An application database, named so that flows and schedules need no URL."""

    _block_type_name = "Autopack Database"
    _block_type_slug = "autopack-database"
    _description = "The database that holds runs, attempts and the usage ledger."

    url: SecretStr = Field(
        description="An SQLAlchemy URL: postgresql://user:password@host/name or sqlite:////path"
    )
