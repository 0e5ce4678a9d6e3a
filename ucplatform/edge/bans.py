"""Who gets no answer for a while: those who kept guessing secrets.

Only failures that answered our own challenge to that very address count, so nobody can be banned by
datagrams that carry somebody else's address. What is banned is an (address, account) pair; a whole address
only after failures on several accounts, and only if nobody has signed in well from there.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.limits import subscriber
from ucplatform.edge.store import Store

KEY = "uc:ban:"

FAILURES = 5
FAILURE_SECONDS = 60.0
FIRST_SECONDS = 300.0
LONGEST_SECONDS = 86_400.0
#: a ban that ended this long ago makes the next one no longer
MEMORY_SECONDS = 86_400.0
#: so many accounts failed within that time: the address itself is a guesser
ACCOUNTS = 5
ACCOUNTS_SECONDS = 600.0
#: a good sign-in speaks for its address so long; devices register again far sooner
GOOD_SECONDS = 7200.0
#: entries of each table; what was touched the longest time ago goes first
TABLE = 10_000
LONGEST_NAME = 64

Pair = tuple[str, str]
"""Address (an IPv6 one by its /64) and account; "" stands for all accounts."""


class Ban(NamedTuple):
    """Times are Unix seconds; `count` says how many bans in a row this is."""

    address: str
    account: str
    since: float
    until: float
    count: int

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Ban:
        """KeyError, TypeError or ValueError for what is none."""
        texts = str(value["address"]), str(value["account"])
        return cls(*texts, float(value["since"]), float(value["until"]), int(value["count"]))


class Bans:
    """Kept over restarts through the store.

    `exempt(host)` is true for proxies in front, who speak for many. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        exempt: Callable[[str], bool] = lambda host: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._exempt = exempt
        self._clock = clock
        #: running bans, and those over that make the next one longer
        self._bans: OrderedDict[Pair, Ban] = OrderedDict()
        #: how many of them each address has
        self._concerned: dict[str, int] = {}
        #: addresses banned for all accounts, until when: what every message is held against
        self._addresses: dict[str, float] = {}
        self._failures: OrderedDict[Pair, list[float]] = OrderedDict()
        self._failed: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._good: OrderedDict[str, float] = OrderedDict()

    async def start(self) -> None:
        """Take up what an earlier life, or another edge, has stored."""
        try:
            stored = await self._store.load(KEY)
        except (RedisError, OSError) as error:
            log.warning("bans-not-loaded", error=error)
            return
        for key, text in stored.items():
            try:
                ban = Ban.from_json(json.loads(text))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                log.error("ban-not-restored", key=key, error=repr(error))
                self._store.delete(key)
            else:
                self._remember(ban)

    # -- asked -------------------------------------------------------------------------------------

    def blocked(self, host: str) -> bool:
        """Whether everything from `host` is dropped unread."""
        if not self._addresses:
            return False
        address = subscriber(host)
        until = self._addresses.get(address)
        if until is None:
            return False
        if until > self._clock():
            return True
        del self._addresses[address]
        return False

    def concerns(self, host: str) -> bool:
        """Whether there is a ban for anything from `host`: if not, no other question needs to be asked."""
        return bool(self._concerned) and subscriber(host) in self._concerned

    def refuses(self, host: str, account: str) -> bool:
        """Whether `account` is closed to `host`."""
        if not self._bans:
            return False
        ban = self._bans.get((subscriber(host), _name(account)))
        return ban is not None and ban.until > self._clock()

    def running(self) -> list[Ban]:
        """Bans that hold now."""
        now = self._clock()
        return [ban for ban in self._bans.values() if ban.until > now]

    # -- told --------------------------------------------------------------------------------------

    def failed(self, host: str, account: str, answered_challenge: bool) -> float:
        """A sign-in as `account` failed; it counts only if it answered our challenge to `host`. For how many
        seconds that has closed the account to it, or the whole address; mostly 0."""
        if not answered_challenge or self._exempt(host):
            return 0.0
        closed = 0.0
        now, address, account = self._clock(), subscriber(host), _name(account)
        times = [at for at in self._failures.get((address, account), ()) if at > now - FAILURE_SECONDS]
        _put(self._failures, (address, account), [*times, now])
        if len(times) + 1 >= FAILURES:
            del self._failures[address, account]
            closed = self._ban(address, account, f"{FAILURES} wrong secrets within a minute")
        accounts = self._failed.get(address, {})
        accounts = {name: at for name, at in accounts.items() if at > now - ACCOUNTS_SECONDS}
        accounts[account] = now
        if len(accounts) > ACCOUNTS:
            del accounts[next(iter(accounts))]
        _put(self._failed, address, accounts)
        if len(accounts) >= ACCOUNTS and self._good.get(address, 0.0) <= now - GOOD_SECONDS:
            del self._failed[address]
            closed = self._ban(
                address, "", f"wrong secrets for {ACCOUNTS} accounts, and nobody signed in well from there"
            )

        return closed

    def registered(self, host: str, account: str) -> None:
        """Somebody signed in well as `account`: that speaks for the address, and ends the count."""
        address = subscriber(host)
        _put(self._good, address, self._clock())
        if self._failures:
            self._failures.pop((address, _name(account)), None)

    def lift(self, host: str) -> int:
        """End all bans of an address and forget its failures; how many bans there were."""
        address = subscriber(host.strip("[]").removesuffix("/64"))
        lifted = [pair for pair in self._bans if pair[0] == address]
        for pair in lifted:
            self._forget(pair)
        for pair in [pair for pair in self._failures if pair[0] == address]:
            del self._failures[pair]
        self._failed.pop(address, None)
        log.info("ban-lifted", address=address, bans=len(lifted))
        return len(lifted)

    # -- kept --------------------------------------------------------------------------------------

    def _ban(self, address: str, account: str, why: str) -> float:
        now = self._clock()
        before = self._bans.get((address, account))
        count = before.count + 1 if before is not None and before.until > now - MEMORY_SECONDS else 1
        seconds = min(FIRST_SECONDS * 2 ** min(count - 1, 16), LONGEST_SECONDS)
        ban = Ban(address, account, now, now + seconds, count)
        self._remember(ban)
        self._store.put(_key((address, account)), json.dumps(ban.to_json()), ttl=seconds + MEMORY_SECONDS)
        log.warning(
            "banned", address=address, account=account or None, minutes=round(seconds / 60), because=why
        )

        return seconds

    def _remember(self, ban: Ban) -> None:
        now, pair = self._clock(), (ban.address, ban.account)
        if ban.until <= now - MEMORY_SECONDS:
            return
        if len(self._bans) >= TABLE:
            self._forget_oldest(now)
        if pair not in self._bans:
            self._concerned[ban.address] = self._concerned.get(ban.address, 0) + 1
        self._bans[pair] = ban
        self._bans.move_to_end(pair)
        if not ban.account and ban.until > now:
            self._addresses[ban.address] = ban.until

    def _forget_oldest(self, now: float) -> None:
        """Make room: bans that are over go first, then the one made the longest time ago."""
        over = next((pair for pair, ban in self._bans.items() if ban.until <= now), None)
        self._forget(over if over is not None else next(iter(self._bans)))

    def _forget(self, pair: Pair) -> None:
        del self._bans[pair]
        address, account = pair
        left = self._concerned[address] - 1
        if left:
            self._concerned[address] = left
        else:
            del self._concerned[address]
        if not account:
            self._addresses.pop(address, None)
        self._store.delete(_key(pair))


def _put(table: OrderedDict[Any, Any], key: object, value: object) -> None:
    """The newest entry of a bounded table."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > TABLE:
        table.popitem(last=False)


def _name(account: str) -> str:
    """An account as a stranger names it, bounded and fit for a key of Redis."""
    return account[:LONGEST_NAME].encode("ascii", "backslashreplace").decode()[:LONGEST_NAME]


def _key(pair: Pair) -> str:
    return f"{KEY}{pair[0]}|{pair[1]}"
