"""The toolchains Autopack knows, one file per language."""

from autopack.model.commands import (
    Check,
)
from autopack.toolchains.deno.toolchain import Deno
from autopack.toolchains.go.toolchain import Go
from autopack.toolchains.java.toolchain import Java
from autopack.toolchains.node.toolchain import Node
from autopack.toolchains.python.toolchain import Python
from autopack.toolchains.rust.toolchain import Rust
from autopack.toolchains.toolchain import (
    Command,
    Detected,
    Found,
    Toolchain,
)

TOOLCHAINS: tuple[Toolchain, ...] = (Python(), Node(), Deno(), Go(), Rust(), Java())

__all__ = ["TOOLCHAINS", "Check", "Command", "Detected", "Found", "Toolchain"]
