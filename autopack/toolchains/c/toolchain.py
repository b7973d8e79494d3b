"""C and C++, and what make builds."""

from __future__ import annotations

from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Toolchain


class C(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "c"
    languages = {"C or C++": "c h cc cpp cxx hh hpp hxx inl"}
    safe_commands = (("make", "test"), ("make", "check"), ("make", "lint"))
    test_files = ("*_test.cc", "*_test.cpp", "*_test.c", "test_*.c", "test_*.cpp", "test_*.cc")
    test_settings = ("CTestCustom.cmake", "CTestConfig.cmake")
    test_sections = {"CMakeLists.txt": blocks(r"(?i)test|ctest")}
    log_lines = LogLines(
        noise=(r"^\s*\d+/\d+ Test\s+#\d+: .* Passed|^\s*\[?\d{1,3}%\]",),
        failed=(
            r"\*\*\*(?:Failed|Exception|Timeout)|^\t\s*\d+ - \S.* \((?:Failed|SEGFAULT|Timeout)",
        ),
        error=(r"\bundefined reference\b",),
        frame=(r"^#\d+ ",),
        last=(r"^\d+% tests passed| +tests finished: ",),
    )
