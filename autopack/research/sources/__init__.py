"""Where research looks: each source searches, and gives the exact bytes that it found."""

from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    Rank,
    Source,
    SourceFacts,
    SourceFailure,
)

__all__ = ["FailureKind", "Passage", "Query", "Rank", "Source", "SourceFacts", "SourceFailure"]
