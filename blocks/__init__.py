"""What a user configures once and names: register with ``prefect block register -m blocks``."""

from blocks.builders import (
    ApiBlock,
    ClaudeCodeBlock,
    CodexBlock,
    CommandBlock,
    OpencodeBlock,
    PiBlock,
    SimulatedBlock,
)
from blocks.database import AutopackDatabase
from blocks.doctor import AutopackDoctor
from blocks.script_builder import ScriptBuilderBlock

__all__ = [
    "ApiBlock",
    "AutopackDatabase",
    "AutopackDoctor",
    "ClaudeCodeBlock",
    "CodexBlock",
    "CommandBlock",
    "OpencodeBlock",
    "PiBlock",
    "ScriptBuilderBlock",
    "SimulatedBlock",
]
