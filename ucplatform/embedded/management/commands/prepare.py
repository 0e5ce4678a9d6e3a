"""`manage.py prepare`: database tables, first accounts and static files, in one start of Django."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from ucplatform.directory import demo


class Command(BaseCommand):
    help = "Bring the database and the static files up to date (set-up does this)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parts", nargs="*", choices=["database", "static"])

    def handle(self, *, parts: list[str], **_: Any) -> None:
        if not parts or "database" in parts:
            call_command("migrate", interactive=False, verbosity=1)
            self.first_accounts()
        if not parts or "static" in parts:
            call_command("collectstatic", interactive=False, verbosity=0)

    def first_accounts(self) -> None:
        """Only into an empty directory, and only when UC_DEMO says so."""
        if settings.UC_DEMO:
            for account in demo.make_demo_accounts():
                self.stdout.write(f"  account {account.username} with number {account.number}")
