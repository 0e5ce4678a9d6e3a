"""`manage.py first_accounts`: on the first start make the two demo accounts, unless UC_DEMO is off."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ucplatform.directory.demo import make_demo_accounts


class Command(BaseCommand):
    """Does nothing when there is any account already, so it may run at every start."""

    help = "Make two demo accounts in an empty directory (UC_DEMO)."

    def handle(self, **options: Any) -> None:
        for account in make_demo_accounts() if settings.UC_DEMO else []:
            self.stdout.write(f"{account.name} ({account.number}) signs in as {account.username}.")
