"""The ``codex`` builder: OpenAI's ``codex`` program, or any endpoint that speaks its API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field

from autopack.agents.codex.usage import CodexParser
from autopack.agents.continuing import session_named
from autopack.agents.options import Address, Count, McpOptions
from autopack.agents.own.login import codex_login, is_there
from autopack.agents.own.mcp_servers import as_toml
from autopack.agents.own.user_configuration import UserConfiguration
from autopack.agents.program import CommandLineAgent, Invocation
from autopack.agents.protocol import BuildRequest
from autopack.files import safe_files
from autopack.model.errors import BadInput
from autopack.process.sandbox import wanted
from autopack.settings import process_environment

_OPENAI = "https://api.openai.com/v1"
_CHATGPT = "https://chatgpt.com/backend-api/codex"
_SETTINGS = ("AGENTS.md", "config.toml", "prompts", "rules", "skills")


class Options(McpOptions):
    auth: Literal["key", "login"] = Field(
        "key", description="`login` uses the ChatGPT session of your own codex, which is only read"
    )
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
    tested = ("0.169.0",)
    can_continue = True
    own_arguments = frozenset(
        [
            "--json",
            "-s",
            "--sandbox",
            "--skip-git-repo-check",
            "-m",
            "--model",
            "-C",
            "--cd",
            "--worktree",
            "-p",
            "--profile",
            "--oss",
            "--local-provider",
            "--dangerously-bypass-approvals-and-sandbox",
            "--yolo",
            "--full-auto",
            "--ephemeral",
            "--ignore-user-config",
            "--trust",
            "-h",
            "--help",
            "-V",
            "--version",
        ]
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._own = options
        self._uses_login = options.auth == "login"

    def access(self, model: str | None) -> str:
        if self._uses_login:
            codex_login(process_environment())
            return "your own login"
        return super().access(model)

    def secrets(self) -> Sequence[str]:
        login = codex_login(process_environment()).secrets if self._uses_login else ()
        return (*super().secrets(), *login)

    def settings_place(self, environ: Mapping[str, str]) -> UserConfiguration:
        return UserConfiguration.of(
            environ, variable="CODEX_HOME", default=".codex", names=_SETTINGS
        )

    def key_hint(self, name: str) -> str:
        if is_there(codex_login, process_environment()):
            return f"take your own session, which is there: --set auth=login; or set {name}"
        return f"set {name}, or log in with `codex login` and take that: --set auth=login"

    def extra(self) -> list[str]:
        words = super().extra()
        for before, word in pairwise(("", *words)):
            setting = word if before in ("-c", "--config") else word.partition("-c")[2]
            setting = word.removeprefix("--config=") if word.startswith("--config=") else setting
            if setting.strip().startswith(_OWN_SETTINGS):
                raise BadInput(
                    f"args sets {setting.partition('=')[0].strip()}, which Autopack sets for codex"
                    " itself",
                    field="args",
                    hint="take it out; base_url, sandbox and retries are options of their own",
                )
        return words

    def default_key_env(self, model: str | None) -> str:
        return "OPENAI_API_KEY"

    def provider(self, model: str | None) -> str:
        return "openai"

    def prepare(self, request: BuildRequest, home: Path, model: str | None) -> Invocation:
        folder = safe_files.make_folder(home / ".codex", below=home)
        own = self.users_settings()
        config = self._config(model)
        if own is None:
            safe_files.write(folder / "config.toml", config + as_toml(self._own.servers()))
        else:
            own.copy_into(folder, below=home)
        # One sandbox does not start in another.
        default = "danger-full-access" if wanted(process_environment()) else "workspace-write"
        sandbox = self._own.sandbox or default
        # In a home below the temporary folder codex makes no helpers for its sandbox, and with
        # some versions of bubblewrap on PATH no command runs without them.
        temporary = safe_files.make_folder(home / "tmp", below=home)
        arguments = ["exec", "--json", "--sandbox", sandbox, "--skip-git-repo-check"]
        if own is not None:
            # What is on the command line goes before the user's own settings.
            arguments += _flags(config + as_toml(self._own.servers()))
        if model:
            arguments += ["--model", model]
        environment = {"CODEX_HOME": str(folder), "TMPDIR": str(temporary)}
        if self._uses_login:
            safe_files.write(folder / "auth.json", codex_login(process_environment()).content)
        else:
            environment[self.key_env(model)] = self.key(model)
        resumed = ["resume", request.resumes] if request.resumes else []
        return Invocation([*arguments, *resumed, "-"], environment)

    def session_of(self, home: Path, output: Path) -> tuple[str, Sequence[Path]] | None:
        name = session_named(output, b'"thread.started"', "thread_id")
        if name is None:
            return None
        files = [path for path in self.session_files(home) if path.match(f"*-{name}.jsonl")]
        return name, files

    def sessions(self, home: Path) -> Sequence[Path | bytes]:
        return [
            path
            for path in safe_files.files_below(home / ".codex" / "sessions")
            if path.match("rollout-*.jsonl")
        ]

    def _config(self, model: str | None) -> str:
        # A string in JSON is one in TOML as well.
        key = f"env_key = {json.dumps(self.key_env(model))}"
        return _CONFIG.format(
            base_url=json.dumps(self.base_url or (_CHATGPT if self._uses_login else _OPENAI)),
            access="requires_openai_auth = true" if self._uses_login else key,
            hidden=json.dumps([] if self._uses_login else [self.key_env(model)]),
            retries=self._own.retries,
        )


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
{access}
wire_api = "responses"
request_max_retries = {retries}
stream_max_retries = {retries}

[shell_environment_policy]
ignore_default_excludes = false
exclude = {hidden}

"""
_OWN_SETTINGS = (
    "model_provider",
    "allow_login_shell",
    "shell_environment_policy",
    "sandbox",
    "approval_policy",
)


def _flags(config: str) -> list[str]:
    """Return the same settings as arguments."""
    found: list[str] = []
    table = ""
    for line in config.splitlines():
        if line.startswith("["):
            table = f"{line.strip('[]')}."
        elif line:
            name, _, value = line.partition(" = ")
            found += ["-c", f"{table}{name}={value}"]
    return found
