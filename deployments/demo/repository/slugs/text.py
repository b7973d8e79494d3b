"""Cutting text to a length."""


def truncate(text: str, limit: int) -> str:
    """Cut text to at most limit characters, ending in an ellipsis when it was cut."""
    if len(text) <= limit:
        return text
    return text[:limit] + "…"
