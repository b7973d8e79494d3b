"""The environment of an agent: a home of its own, nothing that leads to the user's settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from autopack.toolchains.toolchain_registry import toolchains

# Variables that lead an agent to the user's settings, sessions or keys.
_NOT_INHERITED = (
    "AIDER_",
    "ANTHROPIC_",
    "CLAUDE",
    "CODEX_",
    "GEMINI_",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_",
    "GOOGLE_GENAI_",
    "LITELLM_",
    "MSWEA_",
    "OPENAI_",
    "OPENCODE",
    "PI_",
    "QWEN_",
    "XDG_",
)

# A version manager of everything; those of one ecosystem are its toolchain's.
_ASDF = {"ASDF_DATA_DIR": ".asdf"}

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def isolated_environment(
    environment: Mapping[str, str], *, home: Path, worktree: Path, base_url: str | None
) -> dict[str, str]:
    """``environment`` for an agent that lives in ``home`` and works in ``worktree``.

    A model server on this machine (``base_url``) is reached without the proxies named there.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith(_NOT_INHERITED)
    }
    before = kept.get("HOME") or kept.get("USERPROFILE")
    # They stop working when their folder is looked for in another home.
    homes = [_ASDF, *(one.homes for one in toolchains())]
    for name, folder in (home for each in homes for home in each.items()):
        if before and (Path(before) / folder).is_dir():
            kept.setdefault(name, str(Path(before) / folder))
    if base_url and urlsplit(base_url).hostname in _LOOPBACK:
        around = ",".join(filter(None, [kept.get("NO_PROXY"), *_LOOPBACK]))
        kept |= {"NO_PROXY": around, "no_proxy": around}
    # Some agents (opencode) believe PWD rather than the folder they were started in.
    return kept | {"HOME": str(home), "USERPROFILE": str(home), "PWD": str(worktree)}
