import pytest

slug = pytest.importorskip("slugs.slug")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Hello World", "hello-world"),
        ("  Many   spaces ", "many-spaces"),
        ("Crème brûlée", "creme-brulee"),
        ("What? Really!", "what-really"),
    ],
)
def test_slugify(title, expected):
    assert slug.slugify(title) == expected
