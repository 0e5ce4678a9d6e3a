"""One event is one line, whatever strangers write."""

from hypothesis import given
from hypothesis import strategies as st

from ucplatform.edge import log


def test_plain_words_stand_as_they_are() -> None:
    fields = {"reason": "silent", "remote": "[::1]:5060", "n": 3, "none": None}
    assert log.line("refused", fields) == "refused reason=silent remote=[::1]:5060 n=3"


def test_quotes_what_would_look_like_another_field() -> None:
    assert log.line("x", {"a": 'b c="d"'}) == 'x a="b c=\\"d\\""'
    assert log.line("x", {"a": ""}) == 'x a=""'


def test_control_characters_are_escaped() -> None:
    text = log.line("x", {"a": "b\r\nINFO fake\x1b[0m\x85\u2028\u202e"})
    assert text == 'x a="b\\r\\nINFO fake\\u001b[0m\\u0085\\u2028\\u202e"'


@given(st.one_of(st.text(), st.binary()))
def test_never_more_than_a_line(value: str | bytes) -> None:
    text = log.line("x", {"a": value})
    assert text.isprintable() and len(text.splitlines()) == 1
    assert len(text) < 12 * log.MAX_VALUE


def test_a_fault_names_its_place(lines) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        log.fault("failed", error, call="c-1")
    assert len(lines.lines) == 1 and "test_log.py:" in lines.lines[0] and "call=c-1" in lines.lines[0]
    assert lines.lines[0].isprintable()
