"""What a coding agent is told: one prompt for all of them, a page that an expert would write."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from autopack.agents.conventions import NAMES, conventions
from autopack.agents.protocol import BuildRequest
from autopack.model.situation import EarlierAttempt, PlanStep, Situation, StepState

PROMPT_VERSION = "4"
"""Raised with every change of the words: it is part of a run's fingerprint."""

_LONGEST_LINE = 200
_MOST_STEPS = 40


def render_prompt(request: BuildRequest, *, reads: Sequence[str] = NAMES) -> str:
    """Return the prompt for one build: what to do, where, and how it will be judged.

    ``reads`` are the repository's files of instructions that the agent reads by itself; others
    are in the prompt. A conversation that is continued knows all but how it went on. A question in
    place of the task is the whole prompt. It ends in a newline.
    """
    if request.question is not None:
        return request.question
    sections = _sections(request, reads) if request.resumes is None else _continued(request)
    return "\n\n".join(sections) + "\n"


def _sections(request: BuildRequest, reads: Sequence[str]) -> Iterator[str]:
    yield (
        "You are working alone on a git checkout in the current folder. Make the change below by "
        "editing files; nobody can answer questions. Do not commit, and do not change git's "
        "configuration: what you leave in the files is taken."
    )
    yield _titled("Goal of the whole run", request.goal)
    if len(request.situation.steps) > 1:
        yield _titled("The plan", _plan(request.situation.steps))
    if request.context:
        yield _titled("Context", request.context)
    if request.guidance:
        yield _titled("How to work", request.guidance)
    if request.files:
        yield _titled("Files of the repository", request.files)
    yield _titled("Your task", request.instructions)
    yield from _bounds(request)
    if request.checks:
        yield _titled("How it is judged", _judged(request))
    yield _titled("Rules", _rules(request))
    for name, text in conventions(request.worktree, reads):
        yield _titled(f"The repository's own instructions ({name})", text)
    yield from _limits(request)
    yield from _before(request)


def _continued(request: BuildRequest) -> Iterator[str]:
    yield (
        "What you left was judged, and it does not do yet: see below. Carry on with the same task, "
        "under the same rules; nobody can answer questions. Files may not be as you remember them: "
        "read them again before you change them."
    )
    yield from _before(request)
    if request.files:
        yield _titled("Files of the repository", request.files)
    if request.checks:
        yield "The same checks decide. Run them yourself, and end only when they pass."
    yield from _limits(request)


def _plan(steps: Sequence[PlanStep]) -> str:
    at = next((n for n, step in enumerate(steps) if step.state is StepState.NOW), 0)
    first = max(0, min(at - _MOST_STEPS // 2, len(steps) - _MOST_STEPS))
    shown = steps[first : first + _MOST_STEPS]
    lines = [f"- {_mark(step)} `{step.phase_id}`: {_one_line(step.instructions)}" for step in shown]
    if len(shown) < len(steps):
        lines.append(f"- and {len(steps) - len(shown)} more")
    return "\n".join([*lines, "", "Do only your own step: later ones get a build of their own."])


def _mark(step: PlanStep) -> str:
    if step.state is StepState.DONE and step.commit:
        return f"[done in {step.commit[:10]}]"
    later = {StepState.NOW: "your task", StepState.LATER: "later, not now"}
    return f"[{later.get(step.state, step.state.value)}]"


def _bounds(request: BuildRequest) -> Iterator[str]:
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


def _judged(request: BuildRequest) -> str:
    checks = "\n".join(f"- `{shlex.join(command)}`" for command in request.checks)
    words = [
        "These commands are run in this folder and must succeed:",
        checks,
        "Run them yourself, and end only when they pass. If one cannot pass for a reason outside "
        "your task, say so in your last message and leave the rest done.",
    ]
    if request.situation.red_before:
        words.append(f"Not your doing, and not counted: {request.situation.red_before}.")
    return "\n\n".join(words)


def _rules(request: BuildRequest) -> str:
    rules = [
        "Look at the code around the task before you change it, and follow its conventions.",
        "Solve the cause. Do not weaken, skip or delete tests, and do not special-case what a "
        "check looks at.",
        "Add no dependency unless the task asks for one.",
        "Leave no files behind that are not part of the change.",
    ]
    missing = ", ".join(f"`{path}`" for path in request.situation.missing_submodules)
    if missing:
        rules.append(
            f"These submodules could not be fetched, so their folders are empty: {missing}."
        )
    if not conventions(request.worktree, ()):
        rules.append("Follow the repository's AGENTS.md or CONTRIBUTING where there is one.")
    return "\n".join(f"- {rule}" for rule in rules)


def _limits(request: BuildRequest) -> Iterator[str]:
    limits = request.limits
    parts: list[str] = []
    if limits.seconds is not None:
        parts.append(f"{max(1, round(limits.seconds / 60))} minutes")
    if limits.tokens is not None:
        parts.append(f"{limits.tokens:,} tokens, all that you read and write counted")
    if parts:
        yield _titled("Limits", f"You have at most {' and '.join(parts)}. Then you are stopped.")


def _before(request: BuildRequest) -> Iterator[str]:
    situation = request.situation
    if situation.earlier:
        yield _titled("Earlier attempts at this task", _earlier(situation))
    if request.hint:
        yield _titled("What was learnt from the attempt before this one", request.hint)


def _earlier(situation: Situation) -> str:
    words = ["\n".join(map(_attempt, situation.earlier))]
    if situation.keeps_work is True:
        words.append(
            "The change of the last attempt is in this checkout: `git show HEAD` shows it. Build "
            "on it where it is right."
        )
    elif situation.keeps_work is False:
        words.append("What they changed was undone: this checkout is as it was before them.")
    if _repeats(situation.earlier):
        words.append(
            "The same failure came twice. What was tried does not reach its cause: find another "
            "explanation before you change anything."
        )
    return "\n\n".join(words)


def _attempt(one: EarlierAttempt) -> str:
    told = f"- Attempt {one.attempt} ({one.cause}): {_one_line(one.message).rstrip('.')}."
    claim = f' Its agent claimed, unverified: "{_one_line(one.claim)}"' if one.claim else ""
    return told + claim


def _repeats(earlier: Sequence[EarlierAttempt]) -> bool:
    told = [(one.cause, one.message) for one in earlier]
    return len(told) > 1 and told[-1] == told[-2]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


def _titled(title: str, words: str) -> str:
    return f"# {title}\n\n{words.strip()}"


def _listed(title: str, items: Sequence[str]) -> str:
    return _titled(title, "\n".join(f"- `{item}`" for item in items))
