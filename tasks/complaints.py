"""Prefect's own log lines, kept to what a person can use.

An error that says itself what to do needs no traceback; and while the server is away, one line says
so, not one for each event that could not be sent to it.
"""

from __future__ import annotations

import logging

import httpx

from autopack.model.errors import AutopackError

_RUNS = ("prefect.flow_runs", "prefect.task_runs")
_EVENTS = ("prefect.events.clients", "prefect._internal.concurrency")


class _Briefly(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, AutopackError | httpx.TransportError):
            record.exc_info = None
        return True


class _NotWhileAway(logging.Filter):
    is_away = False

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.is_away or record.levelno > logging.ERROR


_briefly, _not_while_away = _Briefly(), _NotWhileAway()


def keep_brief() -> None:
    """Have Prefect's loggers in this process say what is expected in one line."""
    for name in _RUNS:
        logging.getLogger(name).addFilter(_briefly)  # which adds none twice
    for name in _EVENTS:
        logging.getLogger(name).addFilter(_not_while_away)


def server_is_away() -> None:
    """Have nothing said of each event that cannot be sent."""
    _not_while_away.is_away = True


def server_is_back() -> None:
    """Have such events complained about again."""
    _not_while_away.is_away = False
