"""The ``codex`` builder: OpenAI's ``codex`` program, or any endpoint that speaks its API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from autopack.agents.codex.usage import CodexParser
from autopack.agents.options import Address, Count, ProgramOptions
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files
from autopack.process.sandbox import wanted
from autopack.settings import process_environment

_OPENAI = "https://api.openai.com/v1"


class Options(ProgramOptions):
    base_url: Address | None = Field(
        None, description="another endpoint than OpenAI's, which must speak the Responses API"
    )
    sandbox: Literal["workspace-write", "danger-full-access", "read-only"] | None = Field(
        None,
        description="what the commands that codex runs may do; with workspace-write, the default"
        " unless Autopack confines codex itself, they write only in the worktree and have no"
        " network",
    )
    retries: Count = Field(2, description="how often a call that failed is made again")


class CodexBuilder(CommandLineAgent):
    """Builds phases with Codex, OpenAI's `codex` program."""

    name = "codex"
    options_class = Options
    usage_parser = CodexParser
    program = "codex"
    package = "@openai/codex"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._sandbox = options.sandbox
        self._retries = options.retries

    def default_key_env(self, model: str | None) -> str:
        return "OPENAI_API_KEY"

    def provider(self, model: str | None) -> str:
        return "openai"

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".codex", below=home)
        safe_files.write(folder / "config.toml", self._config(model))
        # One sandbox does not start in another.
        default = "danger-full-access" if wanted(process_environment()) else "workspace-write"
        sandbox = self._sandbox or default
        # In a home below the temporary folder codex makes no helpers for its sandbox, and with
        # some versions of bubblewrap on PATH no command runs without them.
        temporary = safe_files.make_folder(home / "tmp", below=home)
        arguments = ["exec", "--json", "--sandbox", sandbox, "--skip-git-repo-check"]
        if model:
            arguments += ["--model", model]
        environment = {
            "CODEX_HOME": str(folder),
            "TMPDIR": str(temporary),
            self.key_env(model): self.key(model),
        }
        return Invocation([*arguments, "-"], environment)

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        return [
            path
            for path in safe_files.files_below(home / ".codex" / "sessions")
            if path.match("rollout-*.jsonl")
        ]

    def _config(self, model: str | None) -> str:
        # A string in JSON is one in TOML as well.
        words = {
            "base_url": json.dumps(self.base_url or _OPENAI),
            "env_key": json.dumps(self.key_env(model)),
        }
        return _CONFIG.format(**words, retries=self._retries)


# A login shell would reset PATH, and with it the environment that the run prepared.
_CONFIG = """\
model_provider = "autopack"
allow_login_shell = false
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.autopack]
name = "autopack"
base_url = {base_url}
env_key = {env_key}
wire_api = "responses"
request_max_retries = {retries}
stream_max_retries = {retries}

[shell_environment_policy]
ignore_default_excludes = false
exclude = [{env_key}]
"""
