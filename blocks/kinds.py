"""Every kind of block; importing this makes them known to Prefect.

Prefect does so by the entry point when it looks for a kind of ours.
"""

from __future__ import annotations

from prefect.blocks.core import Block

from blocks.builders import builder_blocks
from blocks.database import AutopackDatabase
from blocks.doctor import AutopackDoctor

KINDS: dict[str, type[Block]] = {
    "AutopackDatabase": AutopackDatabase,
    "AutopackDoctor": AutopackDoctor,
    **builder_blocks(),
}
"""The classes by their names."""
