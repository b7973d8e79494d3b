"""`autopack plan init`: a first plan file, asked for or made from text."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.model.counted import counted
from autopack.model.errors import BadInput, Refused
from autopack.model.locations import is_folder
from autopack.plan.load import parse_plan
from autopack.plan.normalise import NotNormalised
from autopack.plan.normalise import normalise as normalise_text
from autopack.plan.normalise.issue import as_markdown
from autopack.plan.outline import Outline, written
from autopack.toolchains.detect import detect, inferred_checks
from autopack.toolchains.toolchain import Detected
from deployments.cli.shared.output import AsJson, err, note, out, print_json
from deployments.cli.shared.piped import STANDARD_INPUT, plan_source


def init(
    file: Annotated[Path, Parameter(help="Where to write the plan.")] = Path("plan.yaml"),
    *,
    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            help="What is to be done, in words; - reads it from standard input.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    repo: Annotated[Path, Parameter(help="The repository; default: this folder.")] = Path(),
    as_json: AsJson = False,
) -> int:
    """Write a first plan file.

    With the checks that the repository suggests, and comments. Asks what is to be done, unless
    --from says it. Never overwrites a file.
    """
    if not is_folder(repo):
        raise BadInput(f"{repo} is not a folder", field="repo", hint="name the project's folder")
    if from_ is not None and from_.startswith("--"):
        raise BadInput(
            f"invalid --from: {from_}", field="from", hint="say what is to be done, in words"
        )
    if os.path.lexists(file):
        raise Refused(
            f"{file} exists, and is not overwritten",
            field="file",
            hint="name another file: autopack plan init FILE",
        )
    detected = detect(repo)
    outline = _asked(as_json) if from_ is None else _told(from_, repo, detected)
    checks = inferred_checks(detected)
    text = written(outline, checks)
    plan = parse_plan(text, name=str(file))
    _write(file, text)
    if as_json:
        answer = {"file": str(file), "plan": plan.to_dict(), "checks_found": bool(checks)}
        print_json(answer)
        return 0
    out.print(f"{file} is written: {counted(len(plan.phases), 'phase')}")
    if any(phase.checks is None for phase in plan.phases) and not checks:
        note("no tests were found in the repository: name the checks under validate")
    out.print(f"next: autopack run {file} --repo {repo} --dry-run")
    return 0


def _told(given: str, repo: Path, detected: Sequence[Detected]) -> Outline:
    """Return the outline of a text: as the normaliser reads it, else one phase of all of it."""
    text = plan_source(given) if given == STANDARD_INPUT else given
    if not text.strip():
        raise BadInput(
            "there is nothing to do in an empty text", field="from", hint="say what to do"
        )
    if "\0" in text:
        raise BadInput("the text has a NUL character", field="from", hint="write plain text")
    try:
        return Outline.of(normalise_text(text, root=repo, detected=detected).plan)
    except NotNormalised:
        plain = as_markdown(text).strip()
        first = plain.splitlines()[0].lstrip("#- *").strip()
        goal = first.rstrip(".") or "Say here what the plan is for"
        return Outline.of_tasks(goal, [plain])


def _asked(as_json: bool) -> Outline:
    if as_json or not sys.stdin.isatty():
        raise BadInput(
            "there is nobody to ask",
            field="from",
            hint='say what is to be done: autopack plan init --from "Add a …"',
        )
    goal = _line("What is the plan for, in a sentence? ")
    if not goal:
        raise BadInput("a plan needs a goal", field="goal", hint="say it in a sentence")
    err.print("What is to be done? A phase a line, an empty line ends.")
    tasks: list[str] = []
    while task := _line(f"{len(tasks) + 1}. "):
        tasks.append(task)
    return Outline.of_tasks(goal, tasks)


def _line(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise Refused(f"{file} exists, and is not overwritten", field="file") from error
    except OSError as error:
        raise BadInput(
            f"{file} cannot be written: {error.strerror}", field="file", hint="name another file"
        ) from error
