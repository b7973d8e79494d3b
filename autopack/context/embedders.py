"""Which embedder a name stands for; nothing heavy is loaded before it is asked for."""

from __future__ import annotations

from autopack.context.embedder import Embedder
from autopack.model.errors import BadInput


def embedder_named(name: str = "tfidf") -> Embedder:
    """Return the embedder called ``name``: ``tfidf`` (the default) or ``minilm`` (an extra).

    Raises BadInput for another name, and when the extra is not installed.
    """
    if name == "tfidf":
        from autopack.context.tfidf import TfIdf

        return TfIdf()
    if name == "minilm":
        from autopack.context.minilm import MiniLM

        return MiniLM()
    raise BadInput(f"there is no embedder {name!r}", field="embedder", hint="use tfidf or minilm")
