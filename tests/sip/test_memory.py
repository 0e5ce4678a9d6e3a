"""Caches hold what real messages repeat; what a stranger makes long and ever new is not kept."""

import tracemalloc

from ucplatform.sip.headers import CSeq, NameAddr, Via
from ucplatform.sip.host import host_is, is_address
from ucplatform.sip.uri import Uri

LONG = "a" * 6000
TEXTS = 600


def read(number: int) -> None:
    host = f"{LONG}{number}.example"
    Uri.parse(f"sip:anna@{host}")
    NameAddr.parse(f"<sip:anna@{host}>;tag={number}")
    Via.parse(f"SIP/2.0/UDP {host};branch=z9hG4bK{number}")
    CSeq.parse(f"{number} {LONG}{number}")
    assert not is_address(host)
    assert not host_is(f"{LONG}:{number}", "::1")


def test_long_texts_of_strangers_are_not_remembered():
    read(0)  # what is made once
    tracemalloc.start()
    try:
        for number in range(1, TEXTS):
            read(number)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * len(LONG), f"{kept} octets of {TEXTS} texts"
