"""A plan that is written out in the text, by itself or in a fenced block, is used as it is."""

from __future__ import annotations

import re

from autopack.plan.load import is_plain_text, parse_plan
from autopack.plan.normalise.blocks import Block, Kind
from autopack.plan.plan import Plan

_LANGUAGES = frozenset({"", "yaml", "yml", "json"})
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LOOKS = re.compile(r"^[ \t]*(?:\{|[\"']?phases[\"']?\s*:)", re.MULTILINE)


def embedded_plan(text: str, blocks: tuple[Block, ...]) -> Plan | None:
    """Return the plan in ``text``, or None. Raises PlanError when there is one with a mistake in
    it.

    A fenced block counts when it has phases: the settings of another program are no plan.
    """
    fenced = [
        block.text
        for block in blocks
        if block.kind is Kind.CODE and block.language in _LANGUAGES and _LOOKS.search(block.text)
    ]
    outside = "\n".join(_FENCE.split(text)[::2])
    for candidate in ([text] if _LOOKS.search(outside) else []) + fenced:
        if not is_plain_text(candidate):
            return parse_plan(candidate)
    return None
