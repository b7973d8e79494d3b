"""Elixir and Mix."""

from __future__ import annotations

from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Toolchain


class Elixir(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "elixir"
    languages = {"Elixir": "ex exs"}
    manifests = ("mix.exs",)
    lock_files = ("mix.lock",)
    variables = (r"MIX_\w+|HEX_\w+",)
    test_files = ("*_test.exs",)
    test_settings = ("test_helper.exs",)
    test_sections = {"mix.exs": blocks(r"\btest|aliases")}
