"""Starting a module of ours in another Python process."""

from __future__ import annotations

import sys


def module_command(module: str, *words: str) -> list[str]:
    """Return the command line of ``python -m MODULE WORDS`` with this interpreter.

    Modules are not looked for in the working folder: that may be a user's project, whose
    `calendar.py` is not the one of the standard library.
    """
    return [sys.executable, "-P", "-m", module, *words]
