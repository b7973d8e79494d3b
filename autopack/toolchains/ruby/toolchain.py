"""Ruby and Bundler."""

from __future__ import annotations

from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.test_sections import blocks
from autopack.toolchains.toolchain import Toolchain


class Ruby(Toolchain):
    """No project of it is detected: a plan names its commands."""

    name = "ruby"
    languages = {"Ruby": "rb rake"}
    manifests = ("Gemfile",)
    lock_files = ("Gemfile.lock",)
    settings = ("Rakefile", ".rspec")
    readable = (".rbenv",)
    variables = (
        r"RBENV_\w+|GEM_(HOME|PATH)|RUBY(OPT|LIB|_\w+)",
        r"BUNDLE_(PATH|GEMFILE|WITH|WITHOUT|JOBS|FROZEN|DEPLOYMENT|CACHE_PATH)",
    )
    test_files = ("*_spec.rb", "*_test.rb", "test_*.rb")
    test_settings = (
        *(".rspec", ".rspec-local", "spec_helper.rb", "rails_helper.rb", "test_helper.rb"),
    )
    test_sections = {"Rakefile": blocks(r"(?i)test|spec|\bdefault\b")}
    log_lines = LogLines(
        failed=(r"^rspec \S",),
        error=(r"^\s*Failure/Error",),
        frame=(r"^\s+from \S+:\d+",),
        last=(r"^\d+ examples?, ",),
    )
