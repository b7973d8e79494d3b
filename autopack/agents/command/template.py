"""The template of the ``command`` builder: split as a shell would, with fields to fill in."""

from __future__ import annotations

import shlex
import string
from collections.abc import Iterable
from pathlib import PurePosixPath

from autopack.model.errors import BadInput

FIELDS = ("prompt_file", "worktree", "spool", "model", "usage_file")

_HINT = (
    f"it may have {', '.join(f'{{{field}}}' for field in FIELDS)}; write {{{{ and }}}} for a brace"
    " that the program is to get"
)


def split(template: str) -> list[str]:
    """Return the words of a template. Raises BadInput for one that cannot be used."""
    if not template.strip():
        raise BadInput(
            "the command builder needs a template",
            field="template",
            hint="for example template='my-agent --prompt-file {prompt_file}'",
        )
    try:
        words = shlex.split(template)
        found = [each for word in words for each in string.Formatter().parse(word)]
    except ValueError as error:
        raise BadInput(
            f"the template cannot be read: {error}", field="template", hint=_HINT
        ) from error
    for _, name, form, conversion in found:
        if name is not None and (name not in FIELDS or form or conversion):
            written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise BadInput(f"the template has {{{written}}}", field="template", hint=_HINT)
    return words


def uses(words: Iterable[str], field: str) -> bool:
    """Return whether the template asks for a field."""
    return any(f"{{{field}}}" in word for word in words)


def readable(template: str) -> str:
    """Return the template when it can be used. Raises BadInput."""
    split(template)
    return template


def name_in_spool(path: str) -> str:
    """Return a file's name below the program's own folder. Raises BadInput for any other."""
    own = PurePosixPath(path.removeprefix("{spool}/"))
    if not path.strip() or own.is_absolute() or not {"..", "{spool}"}.isdisjoint(own.parts):
        raise BadInput(
            f"usage_file is {path!r}",
            field="usage_file",
            hint="name a file in the folder {spool}, for example usage.jsonl, and hand it to the"
            " program as {usage_file}",
        )
    return str(own)
