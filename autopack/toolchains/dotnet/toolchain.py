""".NET: C#, F# and Visual Basic."""

from __future__ import annotations

from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Toolchain


class Dotnet(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "dotnet"
    languages = {".NET": "cs fs vb"}
    settings = ("xunit.runner.json", ".runsettings", "test.runsettings")
    variables = (r"(DOTNET|MSBUILD|NUGET)_\w+",)
    test_files = ("*Test.cs", "*Tests.cs")
    test_settings = ("*.runsettings", "xunit.runner.json")
    test_sections = {"Directory.Build.props": blocks(r"(?i)test|runsettings")}
    log_lines = LogLines(
        failed=(r"^\s+Failed \S.*\[[^\]]*\]$",),
        error=(r"^\s*Assert\.\w+\(\) Failure",),
        last=(r"^Failed!  - ",),
    )
