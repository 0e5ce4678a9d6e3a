"""Who is banned, for how long, and who is not."""

import json

import pytest

from tests.edge.conftest import Valkey
from ucplatform.edge import bans as bans_module
from ucplatform.edge.bans import FIRST_SECONDS, LONGEST_SECONDS, MEMORY_SECONDS, Bans
from ucplatform.edge.store import Store

ATTACKER = "127.0.0.2"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bans(clock: Clock) -> Bans:
    """A list whose store writes nowhere."""
    return Bans(Store("redis://127.0.0.1:1/0", clock=clock), exempt={"10.0.0.1"}.__contains__, clock=clock)


def fail(
    bans: Bans, times: int = 5, host: str = ATTACKER, account: str = "100", answered: bool = True
) -> None:
    for _ in range(times):
        bans.failed(host, account, answered)


def test_five_failures_in_a_minute_close_the_account_to_the_address(bans, clock, lines):
    fail(bans, 4)
    assert not bans.refuses(ATTACKER, "100") and not bans.concerns(ATTACKER)
    fail(bans, 1)
    assert bans.refuses(ATTACKER, "100")
    assert not bans.refuses(ATTACKER, "101") and not bans.refuses("127.0.0.1", "100")
    assert not bans.blocked(ATTACKER)
    assert lines.about("banned") == [
        'banned address=127.0.0.2 account=100 minutes=5 because="5 wrong secrets within a minute"'
    ]
    clock.now += FIRST_SECONDS
    assert not bans.refuses(ATTACKER, "100")


def test_failures_apart_do_not_add_up(bans, clock):
    for _ in range(20):
        fail(bans, 1)
        clock.now += 15.1
    assert not bans.running() and not bans.concerns(ATTACKER)


def test_what_answers_no_challenge_of_ours_bans_nobody(bans):
    fail(bans, 500, answered=False)
    assert not bans.running() and not bans.concerns(ATTACKER)


def test_a_good_sign_in_ends_the_count(bans):
    for _ in range(10):
        fail(bans, 4)
        bans.registered(ATTACKER, "100")
    assert not bans.running() and not bans.concerns(ATTACKER)


def test_each_ban_is_twice_as_long_up_to_a_day_and_a_quiet_day_is_forgiven(bans, clock):
    lengths = []
    for _ in range(11):
        fail(bans)
        ban = bans.running()[0]
        lengths.append(ban.until - ban.since)
        clock.now = ban.until
    assert lengths[:4] == [300, 600, 1200, 2400] and max(lengths) == lengths[-1] == LONGEST_SECONDS
    clock.now += MEMORY_SECONDS
    fail(bans)
    assert bans.running()[0].count == 1


def test_an_address_is_banned_after_failures_on_five_accounts(bans, clock):
    for number in range(4):
        fail(bans, 1, account=str(100 + number))
    assert not bans.blocked(ATTACKER)
    fail(bans, 1, account="104")
    assert bans.blocked(ATTACKER) and not bans.blocked("127.0.0.1")
    clock.now += FIRST_SECONDS
    assert not bans.blocked(ATTACKER)


def test_an_address_from_which_somebody_signs_in_well_is_never_banned_whole(bans, clock):
    bans.registered(ATTACKER, "200")
    for number in range(100):
        fail(bans, account=str(100 + number))
    assert not bans.blocked(ATTACKER) and not bans.refuses(ATTACKER, "200")
    assert bans.refuses(ATTACKER, "100") and bans.refuses(ATTACKER, "199")


def test_a_proxy_in_front_is_never_banned(bans):
    for number in range(10):
        fail(bans, host="10.0.0.1", account=str(number))
    assert not bans.running() and not bans.concerns(ATTACKER)


def test_a_subscriber_of_ipv6_is_a_64(bans):
    for number in range(5):
        fail(bans, 1, host=f"2001:db8::{number}")
    assert bans.refuses("2001:db8::ffff", "100") and not bans.refuses("2001:db8:0:1::1", "100")
    assert bans.lift("2001:db8::/64") == 1


def test_an_administrator_lifts_all_bans_of_an_address(bans, lines):
    for number in range(5):
        fail(bans, account=str(100 + number))
    fail(bans, host="192.0.2.9")
    assert bans.blocked(ATTACKER) and len(bans.running()) == 7
    assert bans.lift(ATTACKER) == 6
    assert not bans.blocked(ATTACKER) and not bans.refuses(ATTACKER, "100")
    assert not bans.concerns(ATTACKER) and bans.concerns("192.0.2.9")
    assert bans.refuses("192.0.2.9", "100") and bans.lift("198.51.100.1") == 0
    assert "ban-lifted address=127.0.0.2 bans=6" in lines.lines


def test_a_flood_of_names_and_addresses_fills_no_memory(bans, monkeypatch):
    monkeypatch.setattr(bans_module, "TABLE", 50)
    bans.registered(ATTACKER, "200")
    for number in range(300):
        fail(bans, account=f"{number}\udcff" + "x" * 5000)
        bans.failed(f"198.51.100.{number}", "100", True)
        bans.registered(f"203.0.113.{number}", "100")
    for table in ("_bans", "_concerned", "_failures", "_failed", "_good", "_addresses"):
        assert len(getattr(bans, table)) <= 50, table
    assert all(len(ban.account) <= 64 and ban.account.isascii() for ban in bans.running())


async def test_bans_are_kept_over_a_restart(valkey: Valkey, lines):
    store = Store(valkey.url)
    await store.start()
    before = Bans(store)
    for number in range(5):
        fail(before, account=str(100 + number))
    fail(before, host="192.0.2.9", account="20|0 é")
    before.lift("198.51.100.7")
    store.put("uc:ban:broken", json.dumps(["no ban"]))
    assert await store.flush(5)
    after = Bans(store)
    await after.start()
    assert after.blocked(ATTACKER) and after.refuses(ATTACKER, "102") and after.refuses("192.0.2.9", "20|0 é")
    assert sorted(after.running()) == sorted(before.running())
    assert len(lines.about("ban-not-restored")) == 1
    after.lift(ATTACKER)
    after.lift("192.0.2.9")
    assert await store.flush(5) and await store.load("uc:ban:") == {}
    await store.close()
