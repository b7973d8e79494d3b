"""Perl, and whatever else speaks the Test Anything Protocol."""

from __future__ import annotations

from autopack.toolchains.toolchain import Toolchain


class Perl(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "perl"
    languages = {"Perl": "pl pm t"}
    variables = (r"PERL5?LIB|PERL_\w+",)
    test_files = ("*.t",)
