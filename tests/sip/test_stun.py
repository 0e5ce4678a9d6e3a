"""STUN keep-alives (RFC 8489, RFC 5626 3.5.2), against the STUN of aioice."""

import os
import struct

import pytest
from aioice import stun as peer
from hypothesis import given
from hypothesis import strategies as st

from ucplatform.sip.stun import LONGEST, answer, is_stun

HEAD = struct.pack("!HHI", 1, 0, 0x2112A442)


def binding() -> peer.Message:
    return peer.Message(message_method=peer.Method.BINDING, message_class=peer.Class.REQUEST)


@pytest.mark.parametrize("remote", [("203.0.113.7", 41000), ("2001:db8::7", 5060)])
def test_tells_where_the_request_came_from(remote):
    request = binding()
    data = bytes(request)
    assert is_stun(data)
    reply = peer.parse_message(answer(data, remote))
    assert reply.message_class is peer.Class.RESPONSE and reply.transaction_id == request.transaction_id
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == remote


def test_a_request_with_a_fingerprint_and_a_name_is_answered():
    request = binding()
    request.attributes["SOFTWARE"] = "phone"
    request.add_fingerprint()
    assert peer.parse_message(answer(bytes(request), ("203.0.113.7", 1))).message_class is peer.Class.RESPONSE


def test_what_must_be_understood_and_is_not_is_refused():
    request = HEAD[:2] + struct.pack("!H", 8) + HEAD[4:] + os.urandom(12) + struct.pack("!HHI", 0x0024, 4, 0)
    reply = peer.parse_message(answer(request, ("203.0.113.7", 1)))
    assert reply.attributes["ERROR-CODE"][0] == 420


@pytest.mark.parametrize(
    "data",
    [
        HEAD + bytes(13),  # longer than it says
        struct.pack("!HHI", 0x0011, 0, 0x2112A442) + bytes(12),  # an indication
        struct.pack("!HHI", 0x0101, 0, 0x2112A442) + bytes(12),  # a response
        struct.pack("!HHI", 1, 4, 0x2112A442) + bytes(12) + b"\x00\x06\x00\x09",  # an attribute cut short
        struct.pack("!HHI", 1, LONGEST, 0x2112A442) + bytes(12 + LONGEST),
    ],
)
def test_anything_else_gets_no_answer(data):
    assert is_stun(data) and answer(data, ("203.0.113.7", 1)) is None


def test_sip_is_never_taken_for_stun():
    assert not is_stun(b"OPTIONS sip:x SIP/2.0\r\n\r\n") and not is_stun(b"\x00\x01\x00\x00")


@given(st.binary(max_size=600))
def test_no_octets_raise_or_are_amplified(tail):
    data = HEAD + tail
    if is_stun(data):
        reply = answer(data, ("2001:db8::7", 5060))
        assert reply is None or len(reply) <= len(data) + 28
