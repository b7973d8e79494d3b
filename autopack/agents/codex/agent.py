"""The ``codex`` builder: OpenAI's ``codex`` program, or any endpoint that speaks its API."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from autopack.agents.options import one_of, whole_number
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files
from autopack.process.limits import MAX_FILES
from autopack.process.sandbox import wanted

_SANDBOXES = ("workspace-write", "danger-full-access", "read-only")
_OPENAI = "https://api.openai.com/v1"


class CodexBuilder(CommandLineAgent):
    """``base_url`` must speak the Responses API. ``sandbox`` confines the commands that codex
    runs: with ``workspace-write`` they write only in the worktree and have no network. That is
    the default but where Autopack confines codex itself: one sandbox does not start in another."""

    name = "codex"
    program = "codex"
    package = "@openai/codex"

    def __init__(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        key_env: str | None = None,
        executable: str | None = None,
        sandbox: str | None = None,
        retries: str | int = 2,
        stall: str | float | None = None,
        max_files: str | int = MAX_FILES,
    ) -> None:
        super().__init__(
            model=model,
            base_url=base_url,
            api_key=api_key,
            key_env=key_env,
            executable=executable,
            stall=stall,
            max_files=max_files,
        )
        self._sandbox = None if sandbox is None else one_of("sandbox", sandbox, _SANDBOXES)
        self._retries = whole_number("retries", retries)

    def default_key_env(self, model: str | None) -> str:
        return "OPENAI_API_KEY"

    def provider(self, model: str | None) -> str:
        return "openai"

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".codex", below=home)
        safe_files.write(folder / "config.toml", self._config(model))
        default = "danger-full-access" if wanted(os.environ) else "workspace-write"
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
