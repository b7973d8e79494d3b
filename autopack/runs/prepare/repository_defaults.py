"""Finding what a repository says of runs that do not say it themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autopack.clock import SystemClock
from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import new_run_id
from autopack.plan.defaults import OWN_FILE, SHARED_FILE, Defaults
from autopack.plan.load import read_plan_text
from autopack.runs.prepare.prepare import RunRequest
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository


def with_defaults(request: RunRequest, *, db: Database, settings: Settings) -> RunRequest:
    """Return the request with what its repository says where the request is silent.

    Read from the checkout as it is; of a URL, from the commit that the run starts at. Raises
    BadInput naming file and key, and RepositoryError.
    """
    source = request.repository()
    request = replace(request, opened=source)
    if source.is_url:
        request = replace(request, run_id=request.run_id or new_run_id(SystemClock().now()))
        texts = _committed(source, request, db, settings)
    else:
        texts = _lying(Path(source.location))
    found = {name: one for name, text in texts.items() if (one := Defaults.read(text, name))}
    if len(found) == 2:
        raise BadInput(
            f"{OWN_FILE} and the table tool.autopack of {SHARED_FILE} both give defaults",
            field=OWN_FILE,
            hint="keep them in one of the two",
        )
    defaults = next(iter(found.values()), None)
    if defaults is None:
        return request
    return replace(request, builder=request.builder or defaults.builder, defaults=defaults)


def _lying(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name in (OWN_FILE, SHARED_FILE):
        try:
            texts[name] = read_plan_text(folder / name, what=name)
        except NotFound:
            continue
        except BadInput:
            if name == OWN_FILE:
                raise  # the other is of others, too: a folder, or no text
    return texts


def _committed(
    source: SourceRepository, request: RunRequest, db: Database, settings: Settings
) -> dict[str, str]:
    run_id = request.run_id or ""
    commit = source.resolve(request.commit)
    name_here = find_folder(settings.home, db, run_id).name
    mirror = Mirror.open(settings.home, source, alias=(run_id, name_here))
    mirror.ensure(commit, run_id)
    texts: dict[str, str] = {}
    for name in (OWN_FILE, SHARED_FILE):
        shown = mirror.git.call("cat-file", "blob", f"{commit}:{name}")
        if shown.status == 0:
            texts[name] = shown.output.decode("utf-8", "replace")
    return texts
