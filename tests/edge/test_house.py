"""UC_MEDIA_ADDRESSES as the edge reads it."""

import pytest

from ucplatform.edge.house import advertised, interfaces

TEXT = "lan=10.0.0.5!203.0.113.7, loop=127.0.0.1,six=[2001:db8::1]"


def test_a_leg_finds_its_interface_by_either_address():
    found = {"10.0.0.5": "lan", "203.0.113.7": "lan", "127.0.0.1": "loop", "2001:db8::1": "six"}
    assert interfaces(TEXT) == found
    assert advertised(TEXT) == {"10.0.0.5": "203.0.113.7"}


@pytest.mark.parametrize("text", ["10.0.0.5", "lan=", "=10.0.0.5", "lan=!203.0.113.7"])
def test_a_bad_item_is_named(text):
    with pytest.raises(ValueError, match="UC_MEDIA_ADDRESSES"):
        interfaces(f"loop=127.0.0.1,{text}")
