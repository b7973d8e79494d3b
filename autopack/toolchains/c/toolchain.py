"""C and C++, and what make builds."""

from __future__ import annotations

from autopack.toolchains.toolchain import Toolchain


class C(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "c"
    languages = {"C or C++": "c h cc cpp cxx hh hpp hxx inl"}
    safe_commands = (("make", "test"), ("make", "check"), ("make", "lint"))
    test_files = ("*_test.cc", "*_test.cpp", "*_test.c")
    test_settings = ("CTestCustom.cmake", "CTestConfig.cmake")
