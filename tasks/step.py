"""What every task of Autopack is: named, tagged, shown by what it works on, never cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def step(
    name: str, shows: str | None = None, *, tags: Sequence[str] = ()
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task called ``name``, whose runs are listed as ``shows``.

    ``shows`` may name parameters: "build attempt {attempt}". Nothing is cached and nothing is
    retried here: what the domain does again, it does with its own rules.
    """
    shown: Any = shows
    return task(name=name, task_run_name=shown, cache_policy=NO_CACHE, tags=["autopack", *tags])
