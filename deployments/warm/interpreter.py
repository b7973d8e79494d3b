"""Variables that Python and Prefect obey only while they are loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping

_AT_START = r"(PYTHON|LD_|DYLD_|MALLOC_|GLIBC_|LC_)\w*|LANG|LANGUAGE|AUTOPACK_FAILPOINT"
OF_A_FLOW_RUN = re.compile(rf"{_AT_START}|PREFECT_(?!_|API_|FLOWS_HEARTBEAT_|LOGGING_)\w+")
"""What is read while Python starts, or while Prefect and the flows are loaded."""

_OF_A_COMMAND = re.compile(rf"{_AT_START}|PREFECT_(?!API_|SERVER_)\w+|DO_NOT_TRACK")


def obeyed_by_commands(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment has to be the same for commands that one process loads."""
    return {name: value for name, value in environ.items() if _OF_A_COMMAND.fullmatch(name)}
