"""`manage.py bans list|lift`: who gets no answer from the edges."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ucplatform.notify import actions as notify


class Command(BaseCommand):
    help = "List the addresses and accounts that are banned, and lift bans."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="one line for each ban: address, account, until when")
        lift = verbs.add_parser("lift", help="end all bans of an address, at once")
        lift.add_argument("address")

    def handle(self, *, verb: str, **options: Any) -> None:
        if verb == "list":
            for ban in notify.bans():
                until = datetime.fromtimestamp(ban["until"]).isoformat(" ", "seconds")
                self.stdout.write(f"{ban['address']}\t{ban['account'] or 'everything'}\tuntil {until}")
            return
        address = options["address"].strip()
        if not any(ban["address"] in (address, f"{address}/64") for ban in notify.bans()):
            raise CommandError(f"{address} is not banned; `manage.py bans list` shows who is.")
        notify.lift_bans(address)
        self.stdout.write(f"The bans of {address} are being lifted.")
