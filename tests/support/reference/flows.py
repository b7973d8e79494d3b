"""The flows with their parameters, and the deployments that ship with them."""

from __future__ import annotations

import inspect
from typing import Any

import yaml
from docstring_parser import parse

import flows
from support.documents import ROOT
from support.reference.declared import cell


def page() -> str:
    """The flows and their deployments."""
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    parts = [
        "# Flows and deployments\n\n"
        "`autopack up` and `autopack deploy` create the deployments. Schedules are inactive except"
        " where said. In Python: `from flows import execute_run`.\n\n"
        "| deployment | schedule | what it does |\n|---|---|---|\n"
        + "\n".join(_deployment(one) for one in declared["deployments"])
    ]
    parts += [_flow(name) for name in sorted(flows.__all__)]
    return "\n\n".join(parts)


def _deployment(one: dict[str, Any]) -> str:
    flow = one["entrypoint"].partition(":")[2].replace("_", "-")
    (schedule,) = one["schedules"]
    when = f"every {schedule['interval']} s" if "interval" in schedule else f"`{schedule['cron']}`"
    active = ", active" if schedule["active"] else ""
    return f"| `{flow}/{one['name']}` | {when}{active} | {cell(one['description'])} |"


def _flow(name: str) -> str:
    function = getattr(flows, name).fn
    documented = parse(inspect.getdoc(function) or "")
    about = {one.arg_name: cell(one.description or "") for one in documented.params}
    lines = [f"## {name}\n", f"{documented.short_description}\n"]
    lines += ["| parameter | when unset | meaning |", "|---|---|---|"]
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        unset = (
            "required"
            if default is parameter.empty
            else ""
            if default is None
            else f"`{default!r}`"
        )
        lines.append(f"| `{parameter.name}` | {unset} | {about.get(parameter.name, '')} |")
    return "\n".join(lines)
