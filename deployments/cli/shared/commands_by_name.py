"""Commands that are named, not imported: lists show a line of them, their own help all of it."""

from __future__ import annotations

import inspect

from cyclopts import App
from cyclopts.command_spec import CommandSpec


def add_by_name(group: App, place: str, *, name: str | tuple[str, ...], line: str) -> None:
    """Add the command at ``place`` (module:function) to a group, under one name or several.

    ``line``, the first of its docstring, is what lists show of it.
    """
    names = (name,) if isinstance(name, str) else name
    group.command(place, name=names, help=line)
    listed = _Listed(place, names[0], help=line)
    # cyclopts makes its own kind of command of a place; it has no other way to bring another.
    group._commands.update(dict.fromkeys(names, listed))  # pyright: ignore[reportPrivateUsage]


class _Listed(CommandSpec):
    """A command that is shown by one line until it is loaded, and then speaks for itself."""

    def resolve(self, parent_app: App) -> App:
        line, self.help = self.help, None  # else it would take the place of the docstring
        try:
            command = super().resolve(parent_app)
        finally:
            self.help = line
        command.help = _flowing(command.help)
        return command


def _flowing(docstring: str) -> str:
    """Return its paragraphs without line breaks, for these are made where the terminal ends. What
    follows on its parameters is shown beside these.
    """
    text, _, _ = inspect.cleandoc(docstring).partition("\n\nParameters\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
