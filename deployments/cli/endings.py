"""What every ending of a command looks like: its exit code, and one line or JSON object."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclopts import (
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnusedCliTokensError,
)

from autopack.model.errors import AutopackError, BadInput, PlanError, WorkFailed
from autopack.settings import process_environment
from deployments.cli.shared import streams
from deployments.cli.shared.arguments import check_words
from deployments.cli.shared.prefect_faults import of_prefect

_NO = frozenset({"false", "f", "no", "n", "0"})
"""What the command line takes for a no."""


def run_command(argv: Sequence[str], app: Callable[..., Any]) -> int:
    """Run one command line; return its exit code. Never raises, never prints a traceback."""
    with streams.one_answer():
        return _run(argv, app)


def _run(argv: Sequence[str], app: Callable[..., Any]) -> int:
    as_json = asks_for_json(argv)
    try:
        check_words(argv, app)
        code = app(
            list(argv),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        refused = BadCommand(_told(error, argv), field=refused_field(error), hint=_help_on(error))
        return _fail(refused, as_json)
    except AutopackError as error:
        return _fail(error, as_json)
    except KeyboardInterrupt:
        return _fail(Interrupted("interrupted"), as_json)
    except (BrokenPipeError, SystemExit) as ending:
        # The reader of a pipe went away, for which rich leaves; nothing is left to tell it.
        if not isinstance(ending.__context__ or ending, BrokenPipeError):
            raise
        streams.discard_stdout()
        return 0
    except Exception as error:
        known = _of_the_place(error) or of_prefect(error)
        return _fail(known or _unexpected(error), as_json)
    return code if isinstance(code, int) else 0


def _told(error: CycloptsError, argv: Sequence[str]) -> str:
    """Return what is wrong with a command line, as people say it."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument: {error.unused_tokens[0]!r}"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        if error.argument.field_info.is_positional:
            name = name.strip("-").upper()
        return f"{name} has no value" if name in argv else f"{name} is missing"
    return str(error)


def _help_on(error: CycloptsError) -> str:
    """Return the command line whose help says what would have been right."""
    return " ".join(["autopack", *(error.command_chain or ()), "--help"])


def asks_for_json(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, also one that cannot be understood."""
    asks = False
    for word in argv:
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name == "--json":
            asks = value.lower() not in _NO
    return asks


def refused_field(error: CycloptsError) -> str | None:
    """Return the option or argument that a command line is refused for; None when that has no name.

    Known ones are named as commands name them: ``--token-cap`` is ``token_cap``.
    """
    if isinstance(error, UnknownCommandError):
        return "command"
    if error.argument is not None:
        return error.argument.name.strip("-").replace("-", "_").lower()
    typed: str | None = getattr(getattr(error, "token", None), "keyword", None)
    if typed is None:
        return error.unused_tokens[0] if error.unused_tokens else None
    return typed.partition("=")[0].lstrip("-")


class BadCommand(AutopackError):
    """The command line itself cannot be understood."""

    kind = "command"


class Interrupted(AutopackError):
    """The user pressed Ctrl-C."""

    kind = "interrupted"
    exit_code = 130


class Unexpected(AutopackError):
    """A fault of Autopack's own."""

    kind = "internal"
    exit_code = 1


def _fail(error: AutopackError, as_json: bool) -> int:
    from autopack.secrecy.credentials import MASK, SHAPES, environment_secrets
    from autopack.secrecy.redaction import Redactor
    from deployments.cli.shared.output import all_problems, print_error, print_json

    redactor = Redactor(environment_secrets(process_environment()))

    def told(text: str) -> str:
        # What was typed where it does not belong may be a key, too.
        return SHAPES.sub(MASK, redactor.text(text))

    error.message = told(error.message)
    error.hint = error.hint and told(error.hint)
    error.field = error.field and told(error.field)
    if isinstance(error, PlanError):
        problems = [each._replace(message=told(each.message)) for each in error.problems]
        error.problems = tuple(problems)

    try:
        if as_json and not streams.is_answered():
            print_json({"error": error.as_json()} | all_problems(error))
            return error.exit_code
    except OSError:  # not even this can be written there
        streams.discard_stdout()
    print_error(error)
    return error.exit_code


def _of_the_place(error: Exception) -> AutopackError | None:
    """Return what is wrong with the folders and disks of the command, where that is the cause."""
    known = _full_disk(error) or _closed_home(error) or _long_name(error)
    return known or _missing_folder(error) or _disturbed_home(error)


def _full_disk(error: Exception) -> WorkFailed | None:
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return WorkFailed(
        "no room is left on the disk" + (f" of {error.filename}" if error.filename else ""),
        hint="make room, then use `autopack resume`; `autopack runs` names what was stopped",
    )


def _closed_home(error: Exception) -> BadInput | None:
    if not isinstance(error, OSError) or error.errno not in (errno.EROFS, errno.EACCES):
        return None
    from autopack.settings import home_folder

    home = home_folder().resolve()
    if not Path(str(error.filename)).resolve().is_relative_to(home):
        return None
    return BadInput(
        f"AUTOPACK_HOME {home} cannot be written to: {error.strerror}",
        field="AUTOPACK_HOME",
        hint="set AUTOPACK_HOME to a folder that you may write to",
    )


def _long_name(error: Exception) -> BadInput | None:
    if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
        return None
    return BadInput(
        f"the name of {error.filename} is too long for the file system",
        field="path",
        hint="name a file or a folder by a shorter name",
    )


def _missing_folder(error: Exception) -> BadInput | None:
    if not isinstance(error, FileNotFoundError):
        return None
    try:
        Path.cwd()
    except FileNotFoundError:
        return BadInput(
            "the folder that the command was started in is gone",
            field="folder",
            hint="change to a folder that exists, and start it there",
        )
    return None


def _disturbed_home(error: Exception) -> WorkFailed | None:
    """Return that a folder of a run was removed or replaced, as a program that is not confined
    can.
    """
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return None
    from autopack.settings import home_folder

    if not Path(str(error.filename)).absolute().is_relative_to(home_folder().absolute() / "runs"):
        return None
    return WorkFailed(
        f"{error.filename} is not as Autopack left it: something removed or replaced it",
        hint="use `autopack resume`, which makes it anew; AUTOPACK_SANDBOX=bwrap keeps builds and"
        " checks out of there",
    )


def _unexpected(error: Exception) -> Unexpected:
    """Keep the traceback in a file, and say in one line where it is."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w",
        prefix="autopack-fault-",
        suffix=".log",
        delete=False,
        encoding="utf-8",
        errors="replace",
    ) as report:
        traceback.print_exception(error, file=report)
    return Unexpected(
        f"{type(error).__name__}: {error}".splitlines()[0],
        hint=f"this is a fault of Autopack; the details are in {report.name}",
    )
