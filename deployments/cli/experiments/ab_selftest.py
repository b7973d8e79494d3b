"""``autopack ab selftest``: would the verdict cry wolf on the runs that are here?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput
from deployments.cli.experiments.ab_declared import check_seed
from deployments.cli.shared.output import AsJson, out, plain_table, print_json

_MOST = 100_000


def selftest(
    *,
    repetitions: Annotated[int, Parameter(help="How many experiments without an effect.")] = 1000,
    seed: Annotated[int, Parameter(help="Seed of which run is called control.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Check the false-alarm rate on your own runs.

    Experiments without an effect are repeated on them, and false claims counted. Runs that started
    from the same are compared with each other; where there are too few, the pairs of experiments
    with their arms swapped at random. Exits with 1 when more is claimed than chance allows, and
    when runs depend on each other: something drifted, or neighbours are alike.
    """
    from autopack.experiments.selftest import selftest as run_selftest
    from autopack.settings import Settings
    from autopack.store.database.engine import Database

    if not 100 <= repetitions <= _MOST:
        raise BadInput(
            f"invalid repetitions: {repetitions}",
            field="repetitions",
            hint=f"use a number from 100 to {_MOST:,}",
        )
    check_seed(seed)
    db = Database.open(Settings.from_environment().database_url)
    found = run_selftest(db, seed=seed, repetitions=repetitions)
    if as_json:
        print_json(asdict(found))
    else:
        out.print(found.sentence)
        if found.rates:
            table = plain_table("decision", "share", right=("share",))
            for decision, share in found.rates.items():
                table.add_row(decision, f"{share:.1%}")
            out.print()
            out.print(table)
    return 1 if found.cries_wolf else 0
