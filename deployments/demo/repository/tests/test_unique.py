import pytest

slug = pytest.importorskip("slugs.slug")


def test_a_free_slug_is_kept():
    assert slug.unique_slug("Hello", set()) == "hello"


def test_a_taken_slug_is_numbered():
    assert slug.unique_slug("Hello", {"hello", "hello-2"}) == "hello-3"
