"""`autopack research run` and `show`: questions about a repository, and the report on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from autopack.agents.registry import parse_options
from autopack.clock import SystemClock
from autopack.files import safe_files
from autopack.model.errors import BadInput
from autopack.model.locations import expanded, is_folder
from autopack.plan.research_plan import PHASE, research_plan
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.runs.session.fetch import clone_ahead
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
from deployments.cli.runs.runs import configured, with_block
from deployments.cli.shared.executing import INTERRUPTED, execute, exit_code
from deployments.cli.shared.options import BuilderOptions
from deployments.cli.shared.output import AsJson, note, out, print_json
from deployments.cli.shared.serving import check_server, start_server


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ResearchOptions:
    """Where answers are looked for, who writes them, and what that may take."""

    repo: Annotated[str, Parameter(help="The git repository: a folder or a URL.")]
    commit: Annotated[str | None, Parameter(help="Which commit; default: HEAD.")] = None
    source: Annotated[
        list[str] | None,
        Parameter(
            help="Where to look, such as repository, history or folder:DIR; see the "
            "documentation. Without one, where no network is needed.",
            negative="",
        ),
    ] = None
    builder: Annotated[
        str | None, Parameter(help="api or script; with any other, no model is asked.")
    ] = None
    set_: BuilderOptions = None
    model: Annotated[str | None, Parameter(help="The model.")] = None
    max_calls: Annotated[
        int | None, Parameter(help="The most calls of a model, and the most searches.")
    ] = None
    tokens: Annotated[int | None, Parameter(help="The most tokens of those calls.")] = None
    no_ask: Annotated[
        bool, Parameter(help="Leave open what only a person can answer.", negative="")
    ] = False
    token_cap: Annotated[int | None, Parameter(help="The most tokens of the run.")] = None
    at_cap: Annotated[
        Literal["fail", "ask"], Parameter(help="At that cap: fail, or wait for a person.")
    ] = "fail"
    run_id: Annotated[str | None, Parameter(help="A name for the run.")] = None

    def request(self, questions: tuple[str, ...]) -> RunRequest:
        """Return the run that is asked for. Raises BadInput."""
        from autopack.research.sources.source_registry import check_sources
        from autopack.runs.prepare.behind_research import sets_up

        sources = [_absolute(one) for one in self.source or []]
        check_sources(sources)
        _check_servers(sources, Path(self.repo))
        plan = research_plan(
            questions,
            sources=sources,
            max_calls=self.max_calls,
            tokens=self.tokens,
            ask=not self.no_ask,
            sets_up=sets_up(sources),
        )
        return RunRequest(
            plan=plan,
            repo=self.repo,
            commit=self.commit,
            builder=self.builder,
            builder_options=parse_options(self.set_ or []),
            model=self.model,
            token_cap=self.token_cap,
            at_cap=self.at_cap,
            run_id=self.run_id,
        )


def _absolute(source: str) -> str:
    """Return a source as the run takes it: a folder is seen from where the command is typed."""
    name, colon, path = source.partition(":")
    if name != "folder" or not path.strip():
        return source
    folder = expanded(path.strip(), "source").absolute()
    if not is_folder(folder):
        raise BadInput(f"there is no folder {folder}", field="source", hint="name one that exists")
    return f"{name}{colon}{folder}"


def _check_servers(sources: Sequence[str], repository: Path) -> None:
    """Raise BadInput for an MCP server that a repository on this machine does not describe."""
    from autopack.research.sources.source_registry import SourceSettings, sources_for
    from autopack.runs.research.opening_sources import MCP_FILE

    servers = [one for one in sources if one.startswith("mcp:")]
    if servers and is_folder(repository):
        file = repository / MCP_FILE
        sources_for(servers, SourceSettings(mcp_file=file if file.is_file() else None))


Out = Annotated[
    Path | None,
    Parameter(name="--out", help="Write the report there: Markdown, or JSON by its ending."),
]


def run(
    *questions: Annotated[str, Parameter(help="What is asked.")],
    asked: ResearchOptions,
    out_: Out = None,
    as_json: AsJson = False,
) -> int:
    """Answer questions about a repository.

    By quotations, each checked by the bytes of its source. With `--builder api` or a recording a
    model is asked in three bounded steps; nothing that it says is taken unless it holds. Without
    one, the sources are searched and the lines that fit best are quoted, and that is said.
    """
    settings = Settings.from_environment()
    wanted = asked.request(questions)
    _check_out(out_)
    db = Database.open(settings.database_url)
    check_server(settings)
    wanted = with_defaults(wanted, db=db, settings=settings)
    wanted = with_block(wanted, *configured(wanted.builder, settings))
    stored = prepare_run(
        wanted,
        db=db,
        settings=settings,
        clock=SystemClock(),
        starter=Holder.of_this_process(),
    )
    run_id = stored.run_id
    view = execute(
        run_id,
        db=db,
        server_answers=start_server(settings),
        meanwhile=lambda: clone_ahead(run_id, db=db, settings=settings),
        home=settings.home,
    )
    _put(db, run_id, PHASE, out_, as_json)
    code = exit_code(view)
    if code == INTERRUPTED:
        note(f"interrupted; resume with `autopack resume {run_id}`")
    elif code == 3:
        note(
            f"answer with `autopack approve {run_id} --note TEXT`, then `autopack resume {run_id}`"
        )
    if code in (3, INTERRUPTED):
        note(f"then see the report with `autopack research show {run_id}`")
    return code


def show(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[str | None, Parameter(help="Its research phase, where it has several.")] = (
        None
    ),
    out_: Out = None,
    as_json: AsJson = False,
) -> int:
    """Show the report of a research phase again."""
    _check_out(out_)
    db = Database.open(Settings.from_environment().database_url)
    _put(db, run_id, phase, out_, as_json)
    return 0


def _check_out(place: Path | None) -> None:
    """Raise BadInput for a file that could not be written once the work is done."""
    if place is None:
        return
    if is_folder(place):
        raise BadInput(f"{place} is a folder", field="out", hint="name a file in it")
    if not is_folder(place.absolute().parent):
        raise BadInput(f"{place}: there is no such folder", field="out", hint="make it first")
    try:
        place.exists()
    except OSError as error:
        raise BadInput(
            f"{place} cannot be written: {error.strerror}", field="out", hint="name another file"
        ) from error


def _put(db: Database, run_id: str, phase: str | None, place: Path | None, as_json: bool) -> None:
    from autopack.runs.research.stored_reports import stored_report

    report = stored_report(db, run_id, phase)
    if place is not None and report["schema_version"] is not None:
        is_json = place.suffix.lower() == ".json"
        text = json.dumps(report, ensure_ascii=False, indent=2) + "\n" if is_json else _text(report)
        safe_files.put(place.absolute(), text.encode("utf-8", "replace"))
        note(f"the report is in {place}")
    if as_json:
        print_json(report)
    elif report["schema_version"] is None:
        out.print(f"{report['report_id']}: no report yet; the run is {report['state']}")
        if report["failure_reason"]:
            out.print(f"  {report['failure_reason']}")
    else:
        out.print(_text(report).rstrip(), markup=False)


def _text(report: dict[str, Any]) -> str:
    from autopack.views.research_text import report_markdown

    return report_markdown(report)
