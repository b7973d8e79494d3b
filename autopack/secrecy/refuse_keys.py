"""A key that is written into what is asked for: refused, for that is stored and shown as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, cast

from autopack.model.errors import BadInput
from autopack.secrecy.redaction import Redactor


def refuse_keys(asked: Mapping[str, Any], secrets: Iterable[str]) -> None:
    """Raise BadInput naming the field of ``asked`` (JSON) that holds a key among ``secrets``, in
    any spelling.

    Passwords may be words, which are no reason to refuse a plan.
    """
    known = Redactor(secrets)
    texts = list(_texts("", asked))
    together = "\n".join(text for _, text in texts).encode("utf-8", "surrogatepass")
    if not known.is_key_in(BytesIO(together)):
        return
    for field, text in texts:
        if known.is_key_in(BytesIO(text.encode("utf-8", "surrogatepass"))):
            raise BadInput(
                f"{field} holds a key that is in the environment or in an option",
                field=field,
                hint=f"take it out of {field}, which is stored and shown as it is",
            )


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in a value of JSON, with the field that it is in."""
    match value:
        case str():
            yield field, value
        case dict():
            for name, each in cast("dict[str, Any]", value).items():
                inner = f"{field}.{name}" if field else name
                yield inner, name
                yield from _texts(inner, each)
        case list():
            for number, each in enumerate(cast("list[Any]", value)):
                yield from _texts(f"{field}[{number}]", each)
        case _:
            return
