"""What a user configures once and names: register with ``prefect block register -m blocks``."""

from blocks.database import AutopackDatabase
from blocks.script_builder import ScriptBuilderBlock

__all__ = ["AutopackDatabase", "ScriptBuilderBlock"]
