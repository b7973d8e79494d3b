"""`autopack chaos`: does this machine lose anything when processes are killed?"""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from autopack.model.errors import BadInput
from deployments.cli.shared.output import AsJson, note, out, print_json
from deployments.cli.shared.terminal import styled


def chaos(
    *,
    engine: Annotated[
        Literal["sqlite", "postgresql"], Parameter(help="The application database.")
    ] = "sqlite",
    runs: Annotated[int, Parameter(help="How many simulated runs.")] = 6,
    kills: Annotated[int, Parameter(help="The most kills while runs are in progress.")] = 10,
    max_: Annotated[int, Parameter(name="--max", help="How many runs at the same time.")] = 3,
    workers: Annotated[
        int, Parameter(help="How many Prefect workers execute a third of the runs; may be 0.")
    ] = 1,
    seed: Annotated[int, Parameter(help="The same seed chooses the same kills.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Inject faults and check that nothing is lost.

    Runs, workers, the Prefect server and PostgreSQL are killed, the database is cut off for
    seconds, the disk filled up and the clock set, all of them made for this in a temporary folder.
    A disk needs root on Linux, a clock the package libfaketime. Ends with 1 when something was lost
    or done twice.
    """
    least = (("runs", runs), ("kills", kills + 1), ("max", max_), ("workers", workers + 1))
    for name, value in least:
        if value < 1:
            raise BadInput(f"--{name} is too small", field=name, hint="use a larger number")
    import signal

    from deployments.chaos.driver import chaos as system_of

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # nothing of it is to stay behind
    with system_of(
        engine=engine,
        runs=runs,
        kills=kills,
        at_once=max_,
        workers=workers,
        seed=seed,
        say=note,
    ) as system:
        report = system.run()
    if as_json:
        print_json(report.as_json())
    else:
        did = ", ".join(f"{name} {number}" for name, number in sorted(report.did.items()))
        out.print(f"{report.runs} runs on {report.engine}, seed {seed}, {report.seconds:.0f} s")
        out.print(f"did: {did or 'nothing'}")
        if report.cannot:
            out.print(f"not possible here: {', '.join(report.cannot)}")
        if report.given_up:
            out.print(f"closed after too many crashes: {', '.join(report.given_up)}")
        if report.recovery_median is not None:
            out.print(
                f"taken over after {report.recovery_median:.1f} s (median), "
                f"{report.recovery_p99:.1f} s (p99)"
            )
        for text in report.found:
            out.print(styled("found", "red"), text)
        if not report.found:
            out.print("nothing was lost, and nothing was done twice")
    return 1 if report.found else 0
