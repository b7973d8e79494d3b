"""What a user configures once and names: register with ``prefect block register -m blocks``.

The block of each builder is a class here, such as `ClaudeCodeBlock` for claude-code.
"""

from typing import TYPE_CHECKING, Any

from blocks.builders import builder_blocks
from blocks.database import AutopackDatabase
from blocks.doctor import AutopackDoctor

_BUILDERS = builder_blocks()
globals().update(_BUILDERS)

__all__ = ["AutopackDatabase", "AutopackDoctor", *_BUILDERS]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
