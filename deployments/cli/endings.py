"""What every ending of a command looks like: its exit code, and one line or JSON object."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclopts import CycloptsError

from autopack.model.errors import AutopackError, BadInput, PlanError, WorkFailed
from autopack.settings import process_environment


def run_command(argv: Sequence[str], app: Callable[..., Any]) -> int:
    """Run one command line; return its exit code. Never raises, never prints a traceback."""
    as_json = any(word.partition("=")[0] == "--json" for word in argv)
    try:
        code = app(
            list(argv),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(BadCommand(str(error), hint="autopack --help"), as_json)
    except AutopackError as error:
        return _fail(error, as_json)
    except KeyboardInterrupt:
        return _fail(Interrupted("interrupted"), as_json)
    except (BrokenPipeError, SystemExit) as ending:
        # The reader of a pipe went away, for which rich leaves; nothing is left to tell it.
        if not isinstance(ending.__context__ or ending, BrokenPipeError):
            raise
        from deployments.cli.shared.output import discard_stdout

        discard_stdout()
        return 0
    except Exception as error:
        return _fail(_of_the_place(error) or _unexpected(error), as_json)
    return code if isinstance(code, int) else 0


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
    from deployments.cli.shared.output import all_problems, discard_stdout, print_error, print_json

    redactor = Redactor(environment_secrets(process_environment()))

    def told(text: str) -> str:
        # What was typed where it does not belong may be a key, too.
        return SHAPES.sub(MASK, redactor.text(text))

    error.message = told(error.message)
    error.hint = error.hint and told(error.hint)
    if isinstance(error, PlanError):
        problems = [each._replace(message=told(each.message)) for each in error.problems]
        error.problems = tuple(problems)

    try:
        if as_json:
            print_json({"error": error.as_json()} | all_problems(error))
            return error.exit_code
    except OSError:  # not even this can be written there
        discard_stdout()
    print_error(error)
    return error.exit_code


def _of_the_place(error: Exception) -> AutopackError | None:
    """Return what is wrong with the folders and disks of the command, where that is the cause."""
    return _full_disk(error) or _closed_home(error) or _missing_folder(error)


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


def _unexpected(error: Exception) -> Unexpected:
    """Keep the traceback in a file, and say in one line where it is."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="autopack-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as report:
        traceback.print_exception(error, file=report)
    return Unexpected(
        f"{type(error).__name__}: {error}".splitlines()[0],
        hint=f"this is a fault of Autopack; the details are in {report.name}",
    )
