"""Notes are HTML or text, and nobody tells which: what a reader sees is what counts."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.html_text import plain_text

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "שלום עולם"
DEEP = 20_000
FIVE_MILLION = 5_000_000
SECONDS = 30.0
"""A generous end: quadratic work on five million characters takes hours."""
WORD = st.text("abcdefghijklmnop \n", min_size=1, max_size=20)
INLINE = st.sampled_from(["b", "i", "span", "em"])


def words(body: str) -> str:
    """The text on one line, as it is carried."""
    return " ".join(plain_text(body).split())


@pytest.mark.parametrize(
    "text",
    [
        "5 < 6 && a<b",
        "I <3 you",
        "<<>>",
        "Ana <ana@example.com>",
        "R&D, AT&T",
        "x < y > z",
        "line one\nline two",
        "  kept  as it is ",
        HEBREW,
        FAMILY,
        "",
    ],
)
def test_what_is_no_html_is_left_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>Call <b>Ana</b> back</p>", "Call Ana back"),
        ("<p>one</p><p>two</p>", "one two"),
        ("one<br>two<br/>three", "one two three"),
        ("<div>one</div>two", "one two"),
        ("<table><tr><td>one</td><td>two</td></tr></table>", "one two"),
        ("<b>not closed", "not closed"),
        ("closed only</b>", "closed only"),
        ("<p>5 &lt; 6 &amp;&amp; a&lt;b</p>", "5 < 6 && a<b"),
        ("AT&amp;T &#8364; &#x20AC;&nbsp;5", "AT&T € € 5"),
        (f"<p>{FAMILY} &#128512;</p>", f"{FAMILY} \U0001f600"),
        (f"<p dir='rtl'>{HEBREW}</p>", HEBREW),
        ("<p></p>", ""),
        ("&#0;&#xD800;x", "��x"),
    ],
)
def test_of_html_the_text_is_left(body: str, text: str) -> None:
    assert words(body) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("a<script>alert('x')</script>b", "a b"),
        ("a <SCRIPT type='x'>alert('<b>')</SCRIPT >b", "a b"),
        ("a <script>never ends <b>", "a"),
        ("a <style>p { color: red }</style>b", "a b"),
        ("a <!-- a remark --> b", "a b"),
        ("<!-- nothing else -->", ""),
        ("a <img src=x onerror='alert(1)'> b", "a b"),
        ("<a href='https://example.com/?token=1'>here</a>", "here"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "<div>" * 300 + "{}"])
def test_what_no_reader_sees_is_not_carried(body: str, text: str, around: str) -> None:
    assert words(around.format(body)).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "body",
    [
        "<?xml version='1.0' encoding='utf-16'?><p>é</p>",
        "<meta charset='latin-1'><p>é</p>",
    ],
)
def test_an_encoding_that_the_text_declares_is_not_believed(body: str) -> None:
    assert words(body) == "é"


def test_half_a_character_harms_nothing_around_it() -> None:
    body = json.loads('"<p>one \\ud83d two</p>"')

    assert words(body) == "one � two"


def test_a_deep_nest_loses_no_text() -> None:
    nest = "<div>" * DEEP + "the kernel" + "</div>" * DEEP

    assert words(f"<p>before</p>{nest}<p>after &amp; all</p>") == (
        "before the kernel after & all"
    )


@pytest.mark.parametrize("depth", range(250, 260))
def test_at_no_depth_anything_is_lost(depth: int) -> None:
    assert words("<b>" * depth + "kernel" + "</b>" * depth + " after") == "kernel after"


@pytest.mark.parametrize("start", ["", "<b>", "<div>" * 300])
@pytest.mark.parametrize(
    "piece",
    [
        *("<p>w</p>", "<a", "<", "&", "&amp;", "<!--", "<!", "<?", "<![CDATA["),
        *("<script>", "</script", "<a x='", "<div>", "word ", "<table><tr><td>"),
    ],
)
def test_five_million_characters_are_bounded_work(piece: str, start: str) -> None:
    body = start + piece * (FIVE_MILLION // len(piece))
    began = time.monotonic()

    plain_text(body)

    assert time.monotonic() - began < SECONDS


def test_a_picture_within_the_note_is_not_taken_for_text() -> None:
    body = f"<p>before</p><img src='data:image/png;base64,{'A' * FIVE_MILLION}'>after"

    assert words(body) == "before"


@given(st.lists(st.tuples(INLINE, WORD), max_size=20))
@settings(max_examples=100)
def test_marked_words_are_the_words(marked: list[tuple[str, str]]) -> None:
    body = " ".join(f"<{tag}>{word}</{tag}>" for tag, word in marked)

    assert words(body) == " ".join(" ".join(word for _, word in marked).split())


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_no_text_breaks_it(body: str) -> None:
    for tried in (body, f"<p>{body}", f"{'<b>' * 300}{body}"):
        plain_text(tried).encode()
