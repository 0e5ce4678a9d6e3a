"""The directory in memory: who has which number, without a database on the path of a message."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.redis_link import connect
from ucplatform.pbx.ports import SRTP_OFF, Account

CHANNEL = "uc:directory"
CHECK_SECONDS = 30.0
FIRST_RETRY = 0.2
LAST_RETRY = 5.0


class Accounts:
    """A copy of the directory, loaded by `load()` in a thread; loaded again when `uc:directory` says so.

    `version()` (in a thread too) changes whenever the directory does: every 30 s it is compared, in case
    the word was lost with Redis. Without it the whole directory is loaded every 30 s.
    """

    def __init__(
        self,
        url: str,
        load: Callable[[], Iterable[Account]],
        version: Callable[[], Any] | None = None,
        options: Callable[[], Mapping[str, Any]] | None = None,
        *,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._url = url
        self._load = load
        self._version = version
        self._load_options = options
        self._check_seconds = check_seconds
        self._by_number: dict[str, Account] = {}
        self._seen: Any = None
        #: what an administrator may set, by name; read together with the accounts
        self.options: Mapping[str, Any] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        #: called in the loop after each further load
        self.on_change: Callable[[], None] | None = None
        self.loaded = False

    def by_number(self, number: str) -> Account | None:
        """The account of an extension; disabled ones too, `enabled` says so."""
        return self._by_number.get(number)

    def srtp(self, number: str) -> str:
        """How this extension's telephones are spoken to (`pbx.ports`)."""
        account = self._by_number.get(number)
        return account.srtp if account is not None else SRTP_OFF

    def __len__(self) -> int:
        return len(self._by_number)

    async def start(self) -> None:
        """Load once (what `load` raises is raised here: an edge without directory cannot start) and keep
        up.
        """
        await self._reload()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen()), loop.create_task(self._keep_up())]

    async def close(self) -> None:
        """Stop keeping up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refresh(self) -> None:
        """Load again soon."""
        self._changed.set()

    async def _reload(self) -> None:
        seen, accounts, options = await asyncio.to_thread(self._fetch)
        self._by_number = accounts
        self.options = options
        self._seen = seen
        self.loaded = True

    def _fetch(self) -> tuple[Any, dict[str, Account], Mapping[str, Any]]:
        # The version first: a change between the two is then loaded twice, never missed.
        seen = self._version() if self._version else None
        accounts = {account.number: account for account in self._load()}
        return seen, accounts, self._load_options() if self._load_options else {}

    async def _keep_up(self) -> None:
        while True:
            told = await self._told()
            try:
                if not told and self._version and await asyncio.to_thread(self._version) == self._seen:
                    continue
                await self._reload()
            except Exception as error:  # the database is away: the copy in hand serves on
                log.warning("accounts-reload-failed", error=repr(error))
                await asyncio.sleep(FIRST_RETRY)
                if told:
                    self._changed.set()
                continue
            if self.on_change is not None:
                self.on_change()

    async def _told(self) -> bool:
        """True when somebody said that the directory changed, False when it is time to look."""
        try:
            async with asyncio.timeout(self._check_seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _listen(self) -> None:
        delay = FIRST_RETRY
        while True:
            redis = connect(self._url, waits=True)
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    self._changed.set()  # something may have been said before we listened
                    delay = FIRST_RETRY
                    async for _ in pubsub.listen():
                        self._changed.set()
            except (TimeoutError, RedisError, OSError) as error:
                log.warning("directory-channel-away", error=error, again_in=delay)
            finally:
                await redis.aclose()
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY)
