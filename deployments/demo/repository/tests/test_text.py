from slugs.text import truncate


def test_short_text_is_kept():
    assert truncate("abc", 3) == "abc"


def test_long_text_keeps_to_the_limit():
    assert truncate("abcdef", 4) == "abc…"
