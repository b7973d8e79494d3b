"""The toolchains Autopack knows, one file per language."""

from autopack.validation.toolchains.base import Check, Command, Detected, Found, Toolchain
from autopack.validation.toolchains.deno import Deno
from autopack.validation.toolchains.go import Go
from autopack.validation.toolchains.java import Java
from autopack.validation.toolchains.node import Node
from autopack.validation.toolchains.python import Python
from autopack.validation.toolchains.rust import Rust

TOOLCHAINS: tuple[Toolchain, ...] = (Python(), Node(), Deno(), Go(), Rust(), Java())

__all__ = ["TOOLCHAINS", "Check", "Command", "Detected", "Found", "Toolchain"]
