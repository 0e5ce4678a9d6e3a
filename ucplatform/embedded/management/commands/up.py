"""`manage.py up [--only ROLE,…]`: start everything, keep it running, stop it on Ctrl-C or SIGTERM."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ucplatform.embedded import announce, roles
from ucplatform.embedded.address import AddressError
from ucplatform.embedded.programs import ProgramMissing
from ucplatform.embedded.supervisor import Supervisor, main


class Command(BaseCommand):
    help = "Start and watch every process of the house."
    requires_system_checks: list[str] = []  # a start must be quick

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only",
            metavar="ROLE,…",
            default="",
            help="these roles alone: redis front web edge gateway worker beat",
        )

    def handle(self, *, only: str = "", **_: Any) -> None:
        try:
            plan = roles.plan(settings)
            if only:
                plan = plan.only(name.strip() for name in only.split(",") if name.strip())
            supervisor = Supervisor(plan, settings.REDIS_URL, announce=self.announce)
            status = main(supervisor)
        except (AddressError, ProgramMissing) as error:
            raise CommandError(str(error)) from None
        sys.exit(status)

    def announce(self) -> None:
        """Straight to the screen: no time stamps in what people copy."""
        print(announce.text(settings, os.environ.get("UC_PUBLIC_NAME", "")), flush=True)
