"""Autopack's flows by a name that no project has: ``from autopack_flows import execute_run``.

They are those of the package `flows`, also where a project's own `flows`, `tasks` or `blocks` hides
ours. Importing this module changes neither the environment nor what those names mean.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autopack_flows import copies

if TYPE_CHECKING:
    from flows import (
        ab_experiment,
        ab_pair,
        execute_phase,
        execute_run,
        execute_runs,
        maintain,
        mine_patterns,
        reconcile,
        replay_campaign,
        research,
    )

__all__ = [
    "ab_experiment",
    "ab_pair",
    "execute_phase",
    "execute_run",
    "execute_runs",
    "maintain",
    "mine_patterns",
    "reconcile",
    "replay_campaign",
    "research",
]

copies.install()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(copies.name_of("flows")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
