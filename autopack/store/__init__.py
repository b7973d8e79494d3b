"""What is true about runs: states, tables and leases, on SQLite or PostgreSQL.

    db = Database.open(url)
    run = runs.create_run(db, new, phases)
    held = leases.acquire(db, run.run_id, Holder.of_this_process(), 45)
    db.transact(lambda conn: runs.move_run(conn, held.lease, RunState.PHASE_EXECUTION))

Every write of a run's state carries the lease and fails when another process has taken the run
over. Usage is the exception: money spent is recorded no matter who holds the run.
"""

from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.store.database.engine import Database
from autopack.store.leases import Holder, Lease

__all__ = ["AttemptState", "Database", "Holder", "Lease", "PhaseState", "RunState"]
