"""What happens in which order, as Prefect flows: ``from flows import execute_run``.

Importing this package points the process at its Prefect server (see ``flows.server``), which has
to happen before Prefect reads its settings; Prefect itself is loaded with the first flow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autopack.settings import Settings
from flows.server import choose_server

if TYPE_CHECKING:
    from flows.ab import ab_experiment, ab_pair
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
]

_HOMES = {
    "ab_experiment": "flows.ab",
    "ab_pair": "flows.ab",
    "execute_phase": "flows.phase",
    "execute_run": "flows.run",
    "execute_runs": "flows.fleet",
    "maintain": "flows.maintenance",
    "mine_patterns": "flows.mining",
    "reconcile": "flows.reconciling",
    "replay_campaign": "flows.replay",
}

choose_server(Settings.from_environment())


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
