"""``python -m support.reference`` writes every generated page."""

from __future__ import annotations

from support.reference import FOLDER, floor_plan, names, written


def main() -> None:
    """Write the pages, and take away those that are no longer made."""
    FOLDER.mkdir(exist_ok=True)
    for page in FOLDER.glob("*.md"):
        if page.stem not in names():
            page.unlink()
    for name in names():
        (FOLDER / f"{name}.md").write_text(written(name), encoding="utf-8")
    floor_plan.PAGE.write_text(floor_plan.page(), encoding="utf-8")


if __name__ == "__main__":
    main()
