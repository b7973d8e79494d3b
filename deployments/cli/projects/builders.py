"""`autopack builders` and `usage parse`: what can build here, and what agents say they spent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from autopack import __version__
from autopack.agents.protocol import Probe
from autopack.agents.registry import (
    builder_class,
    builder_names,
    make_builder,
    parse_options,
    secrets_of,
)
from autopack.model.errors import BadInput
from autopack.settings import Settings, process_environment
from deployments.cli.shared.output import After, AsJson, Limit, out, plain_table, print_json
from deployments.cli.shared.paging import page_of, say_more
from deployments.cli.shared.terminal import styled

app = App(name="builders", help_format="plaintext")


@app.default
@app.command(name="list")
def list_builders(*, limit: Limit = 1000, after: After = None, as_json: AsJson = False) -> int:
    """See which coding agents can build here.

    Program, version, whether it was tested, login or key, and what is missing.
    """
    names, cursor = page_of(builder_names(), str, limit, after)
    with ThreadPoolExecutor() as probing:  # some programs take seconds to say their version
        probes = dict(zip(names, probing.map(_probe, names), strict=True))
    if as_json:
        rows = [{"name": name, **asdict(one)} for name, one in probes.items()]
        print_json({"builders": rows, "next_cursor": cursor})
        return 0
    table = plain_table("builder", "installed", "version", "login", "to do", wraps=("to do",))
    for name, one in probes.items():
        installed = styled("yes", "green") if one.installed else styled("no", "red")
        version = f"{one.version or ''}{' (not tested)' if one.tested is False else ''}"
        table.add_row(name, installed, version, one.access or "", one.hint or "")
    out.print(table)
    say_more(cursor)
    return 0


@app.command
def check(
    name: Annotated[str, Parameter(help="The builder, as `autopack builders` lists it.")],
    *,
    set_: Annotated[
        list[str] | None, Parameter(name="--set", help="A builder option KEY=VALUE.", negative="")
    ] = None,
    model: Annotated[str | None, Parameter(help="The model to try it with.")] = None,
    seconds: Annotated[float, Parameter(help="The most time it may take.")] = 300.0,
    as_json: AsJson = False,
) -> int:
    """Make one tiny build in a scratch repository, and report what it measured.

    It asks the model for a file of one word, so it costs a few thousand tokens.
    """
    import asyncio
    import tempfile

    from autopack.agents.trial import try_builder
    from autopack.process.child_environment import child_environment
    from autopack.process.sandbox import Sandbox
    from autopack.process.supervisor import Supervisor
    from autopack.secrecy.credentials import known_secrets
    from autopack.secrecy.redaction import Redactor

    options = parse_options(set_ or [])
    builder = make_builder(name, options, model=model)
    home = Settings.from_environment().home
    with tempfile.TemporaryDirectory(prefix="autopack-check-") as folder:
        sandbox = Sandbox.of(process_environment(), home=home)
        trial = asyncio.run(
            try_builder(
                builder,
                folder=Path(folder).resolve(),
                environment=child_environment(process_environment()),
                model=model,
                seconds=seconds,
                supervisor=Supervisor(sandbox=sandbox),
            )
        )
    answer: dict[str, Any] = {"builder": name, **trial.as_json()}
    redactor = Redactor(known_secrets(process_environment(), options, secrets_of(builder)))
    answer["summary"] = redactor.text(answer["summary"])
    if as_json:
        print_json(answer)
    else:
        works = styled("it works", "green") if trial.works else styled("it does not work", "red")
        out.print(works)
        for key in ("status", "summary", "seconds", "calls", "tokens", "cost"):
            value = "unknown" if answer[key] is None else answer[key]
            out.print(f"{key:8}  {value!s}")
        out.print(f"changed   {', '.join(trial.changed) or 'nothing'}")
    return 0 if trial.works else 1


def parse(
    format_: Annotated[str, Parameter(name="format", help="A builder, or neutral.")],
    file: Annotated[Path, Parameter(help="What the agent printed, or its session file.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Read what an agent says it spent.

    From its output: which calls it tells of, and what they used.
    """
    from autopack.agents.usage_formats import parse as parse_usage

    answer = parse_usage(format_, file).as_json()
    if as_json:
        print_json(answer)
        return 0
    figures = ("input", "cache_read", "cache_write", "output", "reasoning", "total")
    table = plain_table("model", *(name.replace("_", " ") for name in figures))
    for one in [*answer["calls"], {"model": "sum", **answer["total"]}]:
        counts = ["unknown" if one[name] is None else f"{one[name]:,}" for name in figures]
        table.add_row(str(one["model"]), *counts)
    out.print(table)
    out.print(f"\nthe figures are {answer['exactness']}")
    return 0


def _probe(name: str) -> Probe:
    try:
        builder_class(name)
    except BadInput as error:
        return Probe(installed=False, version=None, hint=f"{error.message}: {error.hint}")
    try:
        builder = make_builder(name, {})
    except BadInput as error:
        # Part of Autopack; it only wants to be told what to do.
        return Probe(installed=True, version=__version__, hint=error.hint)
    return builder.probe()
