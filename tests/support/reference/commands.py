"""Every command with its arguments and options, as the command line declares them."""

from __future__ import annotations

import re
import sys

from deployments.cli import app


def page() -> str:
    """The commands."""
    text = _generated()
    _, found, commands = text.partition("\n## autopack demo")
    assert found
    # Its headings are anchors already, and its table of contents is the site's.
    commands = re.sub(r"^# ", "## ", f"\n## autopack demo{commands}", flags=re.MULTILINE)
    return (
        "# Commands\n\n"
        "Every command but `worker` takes `--json` and then prints exactly one JSON object,"
        " also on failure."
        " Exit codes: 0 done, 1 the work failed, 2 bad input or a refusal, 3 waiting for a person,"
        " 130 interrupted.\n"
        f"{commands}"
    )


def _generated() -> str:
    # The usage of a command that is a group as well shows how this process was called.
    called, sys.argv = sys.argv, ["autopack"]
    try:
        return app.generate_docs(output_format="markdown")
    finally:
        sys.argv = called
