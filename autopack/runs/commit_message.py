"""The messages of the commits that hold attempts: what was to be done, and trailers for tools.

`git log --format='%(trailers:key=Autopack-Phase,valueonly)'` reads them, and
`git interpret-trailers --parse`.
"""

from __future__ import annotations

from collections.abc import Iterable

from autopack.store.runs import AttemptRow

RUN, PHASE, ATTEMPT = "Autopack-Run", "Autopack-Phase", "Autopack-Attempt"
MITIGATION = "Autopack-Mitigation"


def commit_message(attempt: AttemptRow, instructions: str, mitigations: Iterable[str] = ()) -> str:
    """Return the message of an attempt's commit.

    ``mitigations`` are the ids of the patterns that fixed something in it, a trailer each. The
    trailers are the last paragraph, so that nothing in the instructions is taken for one.
    """
    trailers = [
        (RUN, attempt.run_id),
        (PHASE, attempt.phase_id),
        (ATTEMPT, str(attempt.attempt)),
        *((MITIGATION, name) for name in dict.fromkeys(mitigations)),
    ]
    subject = f"{attempt.phase_id}: attempt {attempt.attempt}"
    body = "\n".join(f"{key}: {' '.join(value.split())}" for key, value in trailers)
    return "\n\n".join(part for part in (subject, instructions.strip(), body) if part) + "\n"
