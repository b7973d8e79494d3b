"""Whose fault an exception is: an attempt's content, or the run, the machine, the database.

Whatever an attempt's content raises while it is recorded, judged or told of is that attempt's
failure. Everything else ends the session, and the run is resumed.
"""

from __future__ import annotations

import errno
import logging
import re

from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError, StatementError

from autopack.model.causes import Failure, FailureCause
from autopack.model.errors import AutopackError, WorkFailed

_log = logging.getLogger(__name__)

_OF_THE_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
_MACHINE_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Cannot allocate memory"
    r"|Too many open files|Input/output error|git cannot be started"
)


def is_of_content(error: Exception) -> bool:
    """Return whether what an attempt made can be the reason of ``error``, and nothing else is."""
    if isinstance(error, WorkFailed):
        return not _MACHINE_WORDS.search(error.message)
    if isinstance(error, AutopackError):
        return False
    if isinstance(error, SQLAlchemyError):
        # A value that cannot be stored; a server that is away is none of the content's doing.
        value = isinstance(error, StatementError) and not isinstance(error, DBAPIError)
        return value or isinstance(error, DataError)
    if isinstance(error, OSError):
        return error.errno not in _OF_THE_MACHINE
    return True


def failure_of(error: Exception, doing: str) -> Failure:
    """Return the failure of the attempt whose content raised ``error`` while ``doing`` something.

    Raises ``error`` itself when its content cannot be the reason.
    """
    if not is_of_content(error):
        raise error
    _log.warning("an attempt failed while %s", doing, exc_info=error)
    said = error.message if isinstance(error, AutopackError) else f"{type(error).__name__}: {error}"
    words = said.encode("utf-8", "backslashreplace").decode()
    line = words.strip().splitlines()[0][:600] if words.strip() else type(error).__name__
    return Failure(FailureCause.UNUSABLE_CONTENT, f"{doing} failed: {line}", words[:4000])
