"""Clouds that serve Claude: which variables Claude Code needs there, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.model.errors import BadInput


@dataclass(frozen=True)
class Cloud:
    """``switch`` turns it on; ``passed`` are variables of the user's that are handed on.

    ``files`` are variables that name a file, with where it is by custom below the user's home.
    ``needed`` are alternatives of which each group needs one. ``address`` is the variable for
    another endpoint. ``ledger_name`` is who is paid.
    """

    ledger_name: str
    switch: str
    address: str
    passed: tuple[str, ...]
    files: Mapping[str, str]
    needed: tuple[tuple[str, ...], ...]

    def variables(self, environ: Mapping[str, str], base_url: str | None) -> dict[str, str]:
        """Return the variables for a build."""
        found = {name: environ[name] for name in self.passed if environ.get(name)}
        found |= self._files(environ)
        if base_url:
            found[self.address] = base_url
        return found | {self.switch: "1"}

    def check(self, environ: Mapping[str, str]) -> None:
        """Raise BadInput when a region, a project or a login is missing."""
        there = {name for name in self.passed if environ.get(name)} | set(self._files(environ))
        for names in self.needed:
            if there.isdisjoint(names):
                raise BadInput(
                    f"provider={self.ledger_name.removeprefix('google-')} needs"
                    f" {' or '.join(names)}, and none is set",
                    field="provider",
                    hint=f"set {names[0]}",
                )

    def _files(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the user's own files: the build's home is another."""
        places = {name: environ.get(name) or Path.home() / own for name, own in self.files.items()}
        return {name: str(place) for name, place in places.items() if Path(place).is_file()}


BEDROCK = Cloud(
    ledger_name="bedrock",
    switch="CLAUDE_CODE_USE_BEDROCK",
    address="ANTHROPIC_BEDROCK_BASE_URL",
    passed=(
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION",
    ),
    files={
        "AWS_CONFIG_FILE": ".aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials",
    },
    needed=(
        ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE"),
        (
            "AWS_ACCESS_KEY_ID",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_CONFIG_FILE",
        ),
    ),
)

VERTEX = Cloud(
    ledger_name="google-vertex",
    switch="CLAUDE_CODE_USE_VERTEX",
    address="ANTHROPIC_VERTEX_BASE_URL",
    passed=(
        "ANTHROPIC_VERTEX_PROJECT_ID",
        "CLOUD_ML_REGION",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
    ),
    files={"GOOGLE_APPLICATION_CREDENTIALS": ".config/gcloud/application_default_credentials.json"},
    needed=(
        ("ANTHROPIC_VERTEX_PROJECT_ID",),
        ("CLOUD_ML_REGION",),
        ("GOOGLE_APPLICATION_CREDENTIALS",),
    ),
)

CLOUDS: Mapping[str, Cloud] = {"bedrock": BEDROCK, "vertex": VERTEX}
