"""Templates are taken apart as written; what is none is refused with its column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.catalog.templating import Output, TemplateError, has_template, parse


def test_a_text_without_braces_is_one_piece() -> None:
    assert parse("Hello, you") == ("Hello, you",)
    assert parse("") == ()
    assert not has_template("Hello { you }")


def test_an_output_has_a_name_and_filters() -> None:
    assert parse('You have {{customer.points | round: 0 | default: "some"}} points') == (
        "You have ",
        Output(name="customer.points", column=10, digits=0, default="some"),
        " points",
    )


def test_words_say_what_a_value_is_called() -> None:
    (output,) = parse("{{ customer.tier | words: gold: 'Gold', \"not yet\": 'new', 3: 'three' }}")
    assert isinstance(output, Output)
    assert output.words == {"gold": "Gold", "not yet": "new", "3": "three"}


def test_the_word_of_a_set_may_be_named() -> None:
    (output,) = parse('{{ customer.interests[home-garden] | default: "" }}')
    assert isinstance(output, Output)
    assert output.name == "customer.interests[home-garden]"


def test_a_text_in_quotes_is_the_channels_own_placeholder() -> None:
    assert parse("Hi {{ '{{ first_name }}' }}!") == ("Hi ", "{{ first_name }}", "!")


REFUSED = [
    ("{{ customer.age", 16, "an output without an end; close it with }}"),
    ("{{", 3, "an output without an end; close it with }}"),
    ("{{ }}", 4, "found '}}'; a name, such as customer.age"),
    ("a {{ 7 }}", 6, "found '7'; a name, such as customer.age"),
    ("{{ x; y }}", 5, "found ';'; a name, a filter, or }}"),
    ("{{ x y }}", 6, "found 'y'; a filter after |, or }}"),
    ("{{ x | rond: 2 }}", 8, "filter 'rond' is not known; did you mean 'round'?"),
    ("{{ x | round: 7 }}", 15, "round: 7; 0 to 6 decimals"),
    ("{{ x | round: -1 }}", 15, "round: -1; 0 to 6 decimals"),
    ("{{ x | round }}", 14, "found '}}' after round; ':'"),
    ("{{ x | default: y }}", 17, "default: found 'y'; a text in quotes"),
    ('{{ x | default: "y" | upcase }}', 21, "a filter after default; default comes last"),
    ('{{ x | words: a "A" }}', 17, "found '\"A\"' after the word a; ':'"),
    ("{{ x | words: | }}", 15, "words: found '|'; word: \"what it is called\""),
    ("{% if x %}yes{% endif %}", 1, "a tag {%; only outputs are known: {{ name }}"),
    ("{{ x }}{% endif %}", 8, "a tag {%; only outputs are known: {{ name }}"),
    ("{{ x.__class__() }}", 15, "found '('; a name, a filter, or }}"),
    ('{{ "a" | upcase }}', 8, "found '|' after a text in quotes; '}}'"),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSED)
def test_what_is_no_template_is_refused_where_it_is(text: str, column: int, message: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(text)
    assert str(refused.value) == f"column {column}: {message}"
    assert refused.value.column == column


@given(st.text(alphabet="{}%|:,\"' ax.0-[]\n", max_size=30))
def test_any_text_is_taken_apart_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        pieces = parse(text)
    except TemplateError as error:
        column = error.column
    else:
        column = 1
        if not has_template(text):
            assert "".join(map(str, pieces)) == text
    assert 1 <= column <= len(text) + 1
