"""What is true about runs: states, tables, leases and the usage ledger, on SQLite or PostgreSQL.

    db = Database.open(url)
    run = runs.create_run(db, new, phases)
    held = leases.acquire(db, run.run_id, Holder.of_this_process(), 45)
    db.transact(lambda conn: runs.move_run(conn, held.lease, RunState.PHASE_EXECUTION))

Every write of a run's state carries the lease and fails when another process has taken the run
over. Usage is the exception: money spent is recorded whoever holds the run.
"""

from autopack.store import campaign_tables as campaign_tables  # makes its tables known
from autopack.store import experiment_tables as experiment_tables  # makes its tables known
from autopack.store import telemetry_tables as telemetry_tables  # makes its tables known
from autopack.store.engine import Database
from autopack.store.leases import Holder, Lease
from autopack.store.states import AttemptState, PhaseState, RunState

__all__ = ["AttemptState", "Database", "Holder", "Lease", "PhaseState", "RunState"]
