"""What a user configures once and names: register with ``prefect block register -m blocks``.

The block of each builder is a class here, such as `ClaudeCodeBlock` for claude-code. They are made
when one is first asked for: a run that names no block starts without them.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_") and name != "__all__":
        raise AttributeError(name)
    from blocks.kinds import KINDS

    if name == "__all__":
        return list(KINDS)
    if name not in KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return KINDS[name]


def __dir__() -> list[str]:
    from blocks.kinds import KINDS

    return [*globals(), *KINDS]
