"""`autopack pause`, `unpause` and `caps`: what a person changes while runs are worked on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.model.errors import BadInput
from autopack.runs.approval import who
from autopack.settings import Settings
from autopack.store.caps import Caps, set_caps
from autopack.store.database.engine import Database
from autopack.store.pauses import Latch, lift_pause, list_pauses, set_pause
from autopack.views.pause_view import pause_lines, pause_view
from autopack.views.run_view import run_view
from deployments.cli.shared.output import AsJson, out, print_json, print_run

RunId = Annotated[str | None, Parameter(help="The run, as `autopack runs` lists it.")]
BuilderName = Annotated[str | None, Parameter(help="Builds by this builder, or by its block.")]
Provider = Annotated[str | None, Parameter(help="Builds that this provider is paid for.")]
Everything = Annotated[bool, Parameter(name="--all", negative="", help="Every build.")]


def pause(
    run_id: RunId = None,
    *,
    builder: BuilderName = None,
    provider: Provider = None,
    everything: Everything = False,
    now: Annotated[
        bool, Parameter(negative="", help="Interrupt the build under way; it is built again.")
    ] = False,
    note: Annotated[str | None, Parameter(help="Why, for the record.")] = None,
    as_json: AsJson = False,
) -> int:
    """Keep builds from starting.

    Of a run, by a builder, by a provider, or all. Runs wait and spend nothing until `autopack
    unpause`. Each pause is lifted by itself.
    """
    latch, db = _latch(run_id, builder, provider, everything=everything), _database()
    changed = set_pause(db, latch, by=who(), note=note, interrupt=now)
    return _answer(db, latch, "paused", as_json, changed=changed)


def unpause(
    run_id: RunId = None,
    *,
    builder: BuilderName = None,
    provider: Provider = None,
    everything: Everything = False,
    as_json: AsJson = False,
) -> int:
    """Let builds start again.

    Lifts the pause that `autopack pause` with the same words began.
    """
    latch, db = _latch(run_id, builder, provider, everything=everything), _database()
    changed = lift_pause(db, latch)
    return _answer(db, latch, "lifted", as_json, changed=changed)


def caps(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    token_cap: Annotated[int | None, Parameter(help="The most tokens.")] = None,
    cost_cap: Annotated[Decimal | None, Parameter(help="The most US dollars.")] = None,
    minutes_cap: Annotated[float | None, Parameter(help="The most minutes of work.")] = None,
    as_json: AsJson = False,
) -> int:
    """Raise or lower the caps of a run.

    Also while it is worked on.
    """
    db = _database()
    set_caps(db, run_id, Caps(token_cap=token_cap, cost_cap=cost_cap, minutes_cap=minutes_cap))
    view = run_view(db, run_id)
    print_json(view) if as_json else print_run(view)
    return 0


def _database() -> Database:
    return Database.open(Settings.from_environment().database_url)


def _latch(
    run_id: str | None, builder: str | None, provider: str | None, *, everything: bool
) -> Latch:
    named = [
        latch
        for latch in (
            None if run_id is None else Latch("run", run_id),
            None if builder is None else Latch("builder", builder),
            None if provider is None else Latch("provider", provider),
            Latch("all") if everything else None,
        )
        if latch is not None
    ]
    if len(named) != 1:
        raise BadInput(
            "name one thing: a run, --builder, --provider or --all",
            field="run_id",
            hint="each pause is set and lifted by itself",
        )
    return named[0]


def _answer(db: Database, latch: Latch, word: str, as_json: bool, *, changed: bool) -> int:
    left: list[dict[str, Any]] = [pause_view(one) for one in list_pauses(db)]
    if as_json:
        about = {"kind": latch.kind, "name": latch.name or None}
        print_json({"target": about, "changed": changed, "pauses": left})
        return 0
    before = "was paused before" if word == "paused" else "was not paused"
    out.print(f"{latch}: {word if changed else before}")
    for line in pause_lines(left):
        out.print(f"paused  {line}")
    return 0
