"""Two accounts to try the house with, made on the first start when UC_DEMO is on."""

import os
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from ucplatform.directory import actions
from ucplatform.directory.models import Extension, User

# username, number, name, administrator
DEMO = (("reception", "200", "Reception", True), ("sales2", "212", "Sales 2", False))


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One login and the secret that a desk phone signs in with as the same number."""

    username: str
    password: str
    number: str
    name: str
    secret: str
    domain: str
    admin: bool


def make_demo_accounts() -> list[DemoAccount]:
    """Create the demo accounts in an empty directory, write them down (0600) and return them. Returns [] when
    there is any user or extension already: the first start is over."""
    accounts = [
        DemoAccount(
            username,
            secrets.token_urlsafe(9),
            number,
            name,
            secrets.token_urlsafe(12),
            settings.UC_DOMAIN,
            admin,
        )
        for username, number, name, admin in DEMO
    ]
    with transaction.atomic():
        if User.objects.exists() or Extension.objects.exists():
            return []
        for account in accounts:
            user = actions.add_user(
                account.username, account.password, name=account.name, admin=account.admin
            )
            actions.add_extension(account.number, name=account.name, secret=account.secret, user=user)
        write_down(accounts)
    return accounts


def write_down(accounts: list[DemoAccount]) -> None:
    """A fresh demo-accounts.txt that only its owner reads; one block an account."""
    path = settings.UC_DATA_DIR / "demo-accounts.txt"
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        for account in accounts:
            stream.write(
                f"{account.name}{' (administrator)' if account.admin else ''}\n"
                f"  web user: {account.username}\n  web password: {account.password}\n"
                f"  number and SIP user: {account.number}\n  SIP domain: {account.domain}\n"
                f"  SIP secret: {account.secret}\n\n"
            )
