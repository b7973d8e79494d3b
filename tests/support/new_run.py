"""A run to store, for tests that need no plan and no repository of it."""

from decimal import Decimal

from autopack.store.runs import NewRun

NEW_RUN = NewRun(
    run_id="run-1",
    plan_hash="a" * 64,
    plan_body={"goal": "g", "phases": [{"id": "one"}]},
    goal="g",
    repo="/repo",
    base_commit="b" * 40,
    branch="autopack/run-1",
    builder="script",
    builder_options={"recording": "dir"},
    model=None,
    models={"builder": "m"},
    features=("failure_hardening",),
    token_cap=5_000_000,
    cost_cap=Decimal("12.34"),
    minutes_cap=120,
    at_cap="fail",
)
