"""The toolchains Autopack knows, a folder each; installed packages bring others."""

from autopack.model.commands import Check
from autopack.toolchains.toolchain import Command, Detected, Found, Missed, Toolchain

__all__ = ["Check", "Command", "Detected", "Found", "Missed", "Toolchain"]
