"""Flows that set up their process when they are started: importing them changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import Flow
from prefect.context import FlowRunContext, TaskRunContext

from autopack.settings import Settings
from flows.parameters import documented
from flows.server import choose_server_once, set_manners
from tasks.complaints import keep_brief

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST_NAME = 200


class StartedFlow(Flow[P, R]):
    """A flow that points its process at a Prefect server when it is called first.

    Called within another flow it runs where that one does. One that a worker starts was given its
    server, and only sets how this process behaves.
    """

    if not TYPE_CHECKING:  # its types are those of the class above

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if FlowRunContext.get() is None and TaskRunContext.get() is None:
                choose_server_once(Settings.from_environment())
            return super().__call__(*args, **kwargs)

        def with_options(self, **options: Any) -> StartedFlow[..., Any]:
            changed = super().with_options(**options)
            changed.__class__ = type(self)
            return changed

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Check the parameters, which the engine does first of all however a flow run starts."""
        set_manners()
        keep_brief()
        return super().validate_parameters(parameters)


def started_flow(
    name: str, *, flow_run_name: Callable[[], str] | str | None = None, **options: Any
) -> Callable[[Callable[P, R]], StartedFlow[P, R]]:
    """Make a function a flow, as ``prefect.flow`` does; no result of it is kept by Prefect."""
    named = _short(flow_run_name) if callable(flow_run_name) else flow_run_name

    def made(function: Callable[P, R]) -> StartedFlow[P, R]:
        function.__doc__ = documented(function)
        return StartedFlow(
            function, name=name, flow_run_name=named, persist_result=False, **options
        )

    return made


def _short(named: Callable[[], str]) -> Callable[[], str]:
    """Return the same names, cut: PostgreSQL has no room for long ones in its index of them, and
    the flow run would crash before anything was checked.
    """

    @wraps(named)
    def short() -> str:
        return named()[:_LONGEST_NAME]

    return short
