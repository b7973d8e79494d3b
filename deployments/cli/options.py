"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

MaxRuns = Annotated[int, Parameter(name="--max", help="How many runs at the same time.")]
ExecutorName = Annotated[
    Literal["inline", "process", "deployment"],
    Parameter(help="In this process, each in one of its own, or each by a worker."),
]
DeploymentName = Annotated[
    str | None,
    Parameter(help="With --executor deployment: another one than execute-run/run."),
]
Push = Annotated[
    str | None, Parameter(help="A remote, folder or URL that every attempt is pushed to.")
]
