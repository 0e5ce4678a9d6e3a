"""The directory in memory follows the one in the database."""

import redis as redis_library

from tests.edge.conftest import Lines, Valkey, until
from ucplatform.edge.accounts import CHANNEL, Accounts
from ucplatform.pbx.ports import Account


class Directory:
    """Stands where the database is: rows, a version, and being away."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {"200": "Ana"}
        self.revision = 1
        self.loads = 0
        self.away = False

    def accounts(self) -> list[Account]:
        self._reach()
        self.loads += 1
        return [Account(number, name, None, "md5", "sha") for number, name in self.rows.items()]

    def version(self) -> int:
        self._reach()
        return self.revision

    def options(self) -> dict[str, int]:
        self._reach()
        return {"ring_seconds": self.revision}

    def _reach(self) -> None:
        if self.away:
            raise OSError("no database")


def announce(valkey: Valkey) -> int:
    with redis_library.Redis.from_url(valkey.url) as client:
        return client.publish(CHANNEL, '{"version": 2}')


async def started(valkey: Valkey, directory: Directory, check: float = 60.0) -> Accounts:
    accounts = Accounts(
        valkey.url, directory.accounts, directory.version, directory.options, check_seconds=check
    )
    await accounts.start()
    return accounts


def named(accounts: Accounts, number: str) -> str | None:
    account = accounts.by_number(number)
    return account.name if account else None


async def test_finds_accounts_by_number(valkey: Valkey) -> None:
    accounts = await started(valkey, Directory())
    assert accounts.loaded and len(accounts) == 1 and accounts.options == {"ring_seconds": 1}
    assert named(accounts, "200") == "Ana" and accounts.by_number("201") is None
    await accounts.close()


async def test_follows_an_announcement(valkey: Valkey) -> None:
    directory = Directory()
    accounts = await started(valkey, directory)
    seen = []
    accounts.on_change = lambda: seen.append(dict(accounts.options))
    await until(lambda: announce(valkey) == 1)  # somebody listens
    directory.rows["201"] = "Bia"
    directory.revision = 2
    announce(valkey)
    await until(lambda: named(accounts, "201") == "Bia" and {"ring_seconds": 2} in seen)
    del directory.rows["200"]
    announce(valkey)
    await until(lambda: accounts.by_number("200") is None)
    await accounts.close()


async def test_looks_by_itself_when_the_word_was_lost(valkey: Valkey) -> None:
    directory = Directory()
    valkey.kill()
    accounts = await started(valkey, directory, check=0.05)
    loads = directory.loads
    directory.rows["201"] = "Bia"
    directory.revision = 2
    await until(lambda: named(accounts, "201") == "Bia")
    assert directory.loads == loads + 1  # only when the version changed
    await accounts.close()


async def test_serves_on_while_the_database_is_away(valkey: Valkey, lines: Lines) -> None:
    directory = Directory()
    accounts = await started(valkey, directory)
    directory.away = True
    accounts.refresh()
    await until(lambda: lines.about("accounts-reload-failed"))
    assert named(accounts, "200") == "Ana"
    directory.rows["200"] = "Ana Maria"
    directory.away = False
    await until(lambda: named(accounts, "200") == "Ana Maria")
    await accounts.close()


async def test_catches_up_when_a_killed_redis_is_back(valkey: Valkey) -> None:
    directory = Directory()
    accounts = await started(valkey, directory)
    await until(lambda: announce(valkey) == 1)
    valkey.kill()
    directory.rows["201"] = "Bia"  # announced to nobody
    valkey.start()
    await until(lambda: named(accounts, "201") == "Bia")
    await accounts.close()
