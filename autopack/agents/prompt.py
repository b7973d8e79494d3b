"""What a coding agent is told: one prompt for all of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from autopack.agents.protocol import BuildRequest


def render_prompt(request: BuildRequest) -> str:
    """Return the prompt for one build: what to do, where, and how it will be judged. Ends in a
    newline.
    """
    return "\n\n".join(_sections(request)) + "\n"


def _sections(request: BuildRequest) -> Iterator[str]:
    yield (
        "You are working alone on a git checkout in the current folder. Make the change below by "
        "editing files; nobody can answer questions. Do not commit, and do not change git's "
        "configuration: what you leave in the files is taken."
    )
    yield _titled("Goal of the whole run", request.goal)
    if request.context:
        yield _titled("Context", request.context)
    if request.guidance:
        yield _titled("How to work", request.guidance)
    yield _titled("Your task", request.instructions)
    if request.deliverables:
        yield _listed("These files must exist when you are done", request.deliverables)
    if request.scope_paths:
        yield _listed(
            "Change only what is under these paths; any other change fails", request.scope_paths
        )
    if request.read_only:
        yield _listed("You may read these but must not change them", request.read_only)
    if request.protects_tests:
        yield _titled(
            "Tests are protected",
            "Do not add, change or delete tests or settings of tests that are not named above as "
            "files to deliver or paths to change; such a change fails.",
        )
    if request.checks:
        yield _listed(
            "When you are done, these commands are run in this folder and must succeed",
            [shlex.join(command) for command in request.checks],
        )
    if request.hint:
        yield _titled("What was learnt from the attempt before this one", request.hint)


def _titled(title: str, words: str) -> str:
    return f"# {title}\n\n{words.strip()}"


def _listed(title: str, items: Sequence[str]) -> str:
    return _titled(title, "\n".join(f"- `{item}`" for item in items))
