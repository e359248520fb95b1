"""Text that people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel import words
from domain.kernel.errors import Invalid

PATH = ("input", "name")


@pytest.mark.parametrize(("typed", "kept"), [(" Tee ", "Tee"), ("\tTee\n", "Tee"), ("a  b", "a  b"), ("🦆", "🦆")])
def test_a_line_is_kept_without_the_blanks_around_it(typed: str, kept: str) -> None:
    assert words.line(typed, path=PATH) == kept


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("", "This cannot be empty."),
        (" \t\n ", "This cannot be empty."),
        ("x" * 256, "At most 255 characters; these are 256."),
        ("a\x00b", "Text cannot contain the NUL character."),
        ("a\ud800b", "Text cannot contain half a character (a lone surrogate)."),
    ],
)
def test_a_line_that_says_nothing_too_much_or_the_unstorable_is_refused(wrong: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        words.line(wrong, path=PATH)
    assert refused.value.message == sentence
    assert refused.value.path == PATH


def test_the_longest_allowed_text_is_accepted() -> None:
    assert words.line(" " + "x" * 255 + " ", path=PATH) == "x" * 255
    assert words.line("🦆" * 255, path=PATH) == "🦆" * 255
    assert words.body("x" * 50_000, path=PATH) == "x" * 50_000
    assert words.body("  as typed\n", path=PATH) == "  as typed\n"
    with pytest.raises(Invalid, match="At most 50000 characters; these are 50001"):
        words.body("x" * 50_001, path=PATH)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Blue Tee", "blue-tee"),
        ("  Crème brûlée! ", "creme-brulee"),
        ("A--B__C", "a-b-c"),
        ("100% cotton", "100-cotton"),
        ("ﬁne № 5", "fine-no-5"),
        ("日本", ""),
        ("---", ""),
        ("x" * 99 + " yz", "x" * 99),
    ],
)
def test_a_name_becomes_part_of_an_address(name: str, slug: str) -> None:
    assert words.slug_of(name) == slug


@given(st.text(max_size=300))
def test_any_name_gives_a_slug_of_the_right_form_that_is_its_own_slug(name: str) -> None:
    slug = words.slug_of(name)
    assert len(slug) <= 100
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert "--" not in slug
    assert slug == slug.strip("-") == words.slug_of(slug)
