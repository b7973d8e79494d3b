"""What happens in which order, as Prefect flows: ``from flows import execute_run``.

Importing this package changes nothing in the process, and loads Prefect only with the first flow.
Calling a flow points the process at its Prefect server (see ``flows.server``).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.ab import ab_experiment, ab_pair
    from flows.answering import research
    from flows.fleet import execute_runs
    from flows.maintenance import maintain
    from flows.mining import mine_patterns
    from flows.phase import execute_phase
    from flows.reconciling import reconcile
    from flows.replay import replay_campaign
    from flows.run import execute_run

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

_HOMES = {
    "ab_experiment": ".ab",
    "ab_pair": ".ab",
    "execute_phase": ".phase",
    "execute_run": ".run",
    "execute_runs": ".fleet",
    "maintain": ".maintenance",
    "mine_patterns": ".mining",
    "reconcile": ".reconciling",
    "replay_campaign": ".replay",
    "research": ".answering",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
