"""A stored run."""

from unit.store.conftest import run  # noqa: F401  # pyright: ignore[reportUnusedImport]
