"""Short-lived SIP credentials of a page: verified by arithmetic, bound to a session, worthless after five
minutes."""

import pytest

from ucplatform.directory import adapter

TAG = "0123456789abcdef"
NOW = 1_800_000_000


def test_what_is_issued_is_verified():
    username, password = adapter.issue_web_credential("201", TAG, now=NOW)
    assert adapter.web_credential(username, now=NOW + 299) == password
    assert adapter.web_username(username) == ("201", NOW + 300, TAG)


def test_it_expires():
    username, _ = adapter.issue_web_credential("201", TAG, now=NOW)
    assert adapter.web_credential(username, now=NOW + 301) is None


def test_two_are_never_the_same():
    assert adapter.issue_web_credential("201", TAG, now=NOW) != adapter.issue_web_credential(
        "201", TAG, now=NOW
    )


def test_a_name_with_another_number_or_a_later_expiry_needs_another_password():
    username, password = adapter.issue_web_credential("201", TAG, now=NOW)
    for forged in (username.replace("!201!", "!202!"), username.replace(str(NOW + 300), str(NOW + 9000))):
        assert forged != username
        assert adapter.web_credential(forged, now=NOW) not in {None, password}


@pytest.mark.parametrize(
    "username",
    [
        "",
        "201",
        "w!201",
        f"w!201!x!{TAG}!abcdefghijkl",
        f"w!2 01!{NOW}!{TAG}!abcdefghijkl",
        f"w!201!{NOW}!{TAG}!abcdefghijkl\n",
        f"w!201!{NOW}!{TAG.upper()}!abcdefghijkl",
        f"w!{'2' * 100_000}!{NOW}!{TAG}!abcdefghijkl",
        f"w!٢٠١!{NOW}!{TAG}!abcdefghijkl",
    ],
)
def test_other_shapes_are_none(username):
    assert adapter.web_credential(username, now=NOW - 10) is None
    assert adapter.web_username(username) is None
