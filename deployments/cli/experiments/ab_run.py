"""``autopack ab run``: carrying an experiment out, with its progress on stderr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from cyclopts import Parameter

from deployments.cli.shared.options import INLINE, Execution, Push
from deployments.cli.shared.output import AsJson, note, print_json
from deployments.cli.shared.watching import Watch

if TYPE_CHECKING:
    from autopack.store.database.engine import Database
    from autopack.store.experiment_records import PairRow


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class More:
    """What an experiment that has ended is continued with."""

    add_budget: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Add to the budget of an experiment and resume it: tokens=N, cost=N, minutes=N.",
        ),
    ] = None
    replace_void: Annotated[
        bool, Parameter(negative="", help="Run its void pairs again and resume it.")
    ] = False


_NOTHING_MORE = More()


def run(
    spec: Annotated[str, Parameter(help="An experiment file or a URL.")],
    *,
    where: Execution = INLINE,
    max_concurrent_pairs: Annotated[
        int | None,
        Parameter(name="--max", help="How many pairs at once; default: what the file says."),
    ] = None,
    push: Push = None,
    more: More = _NOTHING_MORE,
    as_json: AsJson = False,
) -> int:
    """Run an experiment's pairs until the evidence suffices.

    Prints the verdict. Run the same file again to resume an interrupted experiment. A changed file
    is another experiment.
    """
    from autopack.experiments.design.added_budget import how_to_continue
    from autopack.experiments.design.cautions import cautions
    from autopack.experiments.design.registration import Registered, register_experiment
    from autopack.experiments.shapes.analysis_schema import Analysis
    from autopack.model.errors import BadInput
    from autopack.settings import Settings
    from autopack.store.database.engine import Database
    from autopack.store.experiment_records import get_test
    from deployments.cli.experiments.ab import print_analysis
    from deployments.cli.shared.executing import execute_watched
    from deployments.cli.shared.serving import check_server, start_server
    from flows.process import INTERRUPTED

    if max_concurrent_pairs is not None and max_concurrent_pairs < 1:
        raise BadInput(f"invalid --max: {max_concurrent_pairs}", field="max", hint="use 1 or more")
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    check_server(settings)
    registered = register_experiment(
        spec,
        db=db,
        home=settings.home,
        push=push,
        more_budget=more.add_budget or (),
        void_again=more.replace_void,
    )
    answers = start_server(settings)
    planned = registered.declared.planned
    note(f"experiment {registered.test_id}: at most {planned} pairs on {registered.commit[:12]}")
    for caution in cautions(registered):
        note(f"warning: {caution}")

    async def work() -> dict[str, Any]:
        from flows.ab import ab_experiment

        return await ab_experiment(
            spec=spec,
            max_concurrent_pairs=max_concurrent_pairs,
            executor=where.executor,
            push=push,
            deployment=where.deployment,
        )

    answer = execute_watched(
        work, watching=PairProgress(db, registered.test_id, planned), server_answers=answers
    )
    if as_json:
        print_json(answer)
    elif "decision" in answer:
        print_analysis(Analysis.model_validate(answer))
        note(f"the report is in {settings.home / 'reports' / registered.test_id}")
    after = Registered.of(get_test(db, registered.test_id))
    if (further := how_to_continue(after.limits, spec, answer)) is not None:
        note(further)
    if not answer["finished"]:
        pushed = f" --push {push}" if push else ""
        note(f"interrupted; resume with `autopack ab run {spec}{pushed}`")
        return INTERRUPTED
    return 1 if answer["decision"] == "INVALID" else 0


class PairProgress(Watch):
    """Tells of every pair that ends while the block is open; reads only what was committed."""

    seconds = 0.5

    def __init__(self, db: Database, test_id: str, planned: int) -> None:
        super().__init__()
        self._db, self._test_id, self._planned = db, test_id, planned
        self._told = {pair.number for pair in self._finished()}

    def __enter__(self) -> Self:
        if self._told:
            note(f"{len(self._told)} pairs have run before")
        return super().__enter__()

    def look(self) -> None:
        for pair in self._finished():
            if pair.number not in self._told:
                self._told.add(pair.number)
                note(self._line(pair))

    def _finished(self) -> list[PairRow]:
        from autopack.store.experiment_records import get_pairs

        pairs = get_pairs(self._db, self._test_id)
        return [pair for pair in pairs if pair.finished_at is not None]

    def _line(self, pair: PairRow) -> str:
        from autopack.ledger.events.usage_events import token_totals

        control, treatment = (token_totals(self._db, run_id).total for run_id in pair.runs)
        about: list[Any] = [
            f"pair {pair.number} of {self._planned}"
            if pair.replaces is None
            else f"pair {pair.number}, for void pair {pair.replaces},",
            pair.plan_name,
            f"control {control:,}",
            f"treatment {treatment:,} tokens",
        ]
        if control and treatment:
            about.append(f"ratio {treatment / control:.3f}")
        if not pair.is_valid:
            about.append(f"void: {'; '.join(pair.errors or [])}")
        return "  ".join(about)
