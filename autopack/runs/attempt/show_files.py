"""Showing a builder the files that seem to matter to its task, and what that saved it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.agents.spooled import SPOOL
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.runs.session.session import RunSession
from autopack.runs.spools.files_read import files_read
from autopack.settings import CONTEXT_BUDGET, CONTEXT_MODE
from autopack.store.context_packs import PackFigures, record_pack, record_saving

if TYPE_CHECKING:
    from autopack.context.context_pack import ContextPack


def pack_for(session: RunSession, key: AttemptKey) -> ContextPack | None:
    """Return the pack of the build that begins, and record it; None with the feature off."""
    if not session.has(Feature.CONTEXT_PACK):
        return None
    from autopack.context.context_pack import BudgetMode, PackLimits, packed
    from autopack.context.file_ranking import Task

    phase, attempt = session.phase(key.phase_id), session.attempt(key)
    pack = packed(
        session.mirror.git,
        attempt.base_commit,  # with what an earlier attempt left, where that is kept
        Task(
            phase.instructions,
            goal=session.plan.goal,
            deliverables=phase.deliverables,
            scope=phase.scope.paths,
            failure=attempt.hint or "",
        ),
        PackLimits(int(CONTEXT_BUDGET.of()), BudgetMode(CONTEXT_MODE.of())),
        home=session.settings.home,
        redact=session.redactor.text,
    )
    figures = PackFigures(
        artifact_substitutions=pack.substitutions,
        budget_mode=pack.mode.value,
        budget_used=pack.used,
        budget_cap=pack.cap,
        files_kept=len(pack.files),
        files_omitted=pack.omitted,
        context_files_total=pack.total,
    )
    session.transact(lambda conn: record_pack(conn, session.lease, key, figures), changes=())
    return pack


def note_saving(
    session: RunSession, key: AttemptKey, spool: Path, pack: ContextPack, changed: Iterable[str]
) -> None:
    """Record what the outlines of a build saved that ended.

    Those of files that the agent changed, or that a tool call in its transcript names, saved
    nothing: it went on to read them, as far as can be told.
    """
    read = files_read(spool / SPOOL, [file.path for file in pack.files])
    tokens = pack.saved({*changed, *read})
    session.transact(lambda conn: record_saving(conn, session.lease, key, tokens), changes=())
