"""`manage.py extension add|load|list|remove`: accounts without the browser."""

import secrets
import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ucplatform.directory import actions, loading
from ucplatform.directory.models import Extension
from ucplatform.pbx.ports import SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED


class Command(BaseCommand):
    """Each sub-command is a method `do_<name>`; failures exit with status 1 and a sentence."""

    help = "Add, load, list and remove extensions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="add one extension")
        add.add_argument("number")
        add.add_argument("--name", default="", help="shown to the people called")
        add.add_argument("--secret", default="", help="what a SIP phone signs in with; made up if left out")
        add.add_argument("--username", default="", help="who signs in on the web with this number")
        add.add_argument("--password", default="", help="for the web; needed for a new username")
        add.add_argument("--pin", default="", help="four to twelve digits, for the voicemail")
        add.add_argument(
            "--srtp",
            choices=(SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED),
            default=SRTP_OFF,
            help="encrypted sound of its telephones",
        )
        load = verbs.add_parser(
            "load", help="add or change many, from a CSV file: " + ",".join(loading.COLUMNS)
        )
        load.add_argument("file", type=Path)
        verbs.add_parser("list", help="one line for each extension")
        verbs.add_parser("remove", help="remove one extension").add_argument("number")

    def handle(self, *, verb: str, **options: Any) -> None:
        verbs = {"add": self.do_add, "load": self.do_load, "list": self.do_list, "remove": self.do_remove}
        verbs[verb](options)

    def do_add(self, options: dict[str, Any]) -> None:
        """Create one number; a secret that was made up is printed, since nothing shows it again."""
        made_up = "" if options["secret"] else secrets.token_urlsafe(12)
        row = loading.Row(1, **{column: options[column].strip() for column in loading.COLUMNS})
        if Extension.objects.filter(number=row.number).exists():
            raise CommandError(f"Extension {row.number} is there already.")
        try:
            loading.load([replace(row, secret=row.secret or made_up)])
        except loading.LoadError as error:
            raise CommandError("\n".join(p.removeprefix("Line 1: ") for p in error.problems)) from None
        if options["srtp"] != SRTP_OFF:
            actions.change_extension(Extension.objects.get(number=row.number), srtp=options["srtp"])
        self.stdout.write(f"Extension {row.number} added.")
        if made_up:
            self.stdout.write(f"SIP user {row.number}, domain {settings.UC_DOMAIN}, secret {made_up}")

    def do_load(self, options: dict[str, Any]) -> None:
        """Load a file; every bad line is named, and then nothing is written."""
        began = time.monotonic()
        try:
            text = options["file"].read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from None
        try:
            rows = loading.parse(text)
            created, changed = loading.load(rows, self.progress)
        except loading.LoadError as error:
            shown = error.problems[:50]
            more = len(error.problems) - len(shown)
            tail = [f"and {more} more"] if more else []
            raise CommandError("\n".join(["Nothing was loaded.", *shown, *tail])) from None
        took = time.monotonic() - began
        self.stdout.write(f"{created} extensions added, {changed} changed in {took:.1f} s.")

    def progress(self, what: str, done: int, total: int) -> None:
        """A line that rewrites itself on a terminal, or one line a quarter elsewhere."""
        if sys.stderr.isatty():
            if done % 10 == 0 or done == total:
                sys.stderr.write(f"\r{what}: {done} of {total}" + ("\n" if done == total else ""))
        elif done * 4 // total != (done - 1) * 4 // total:
            self.stderr.write(f"{what}: {done} of {total}")

    def do_list(self, options: dict[str, Any]) -> None:
        """number, name, user, what it can do."""
        for extension in Extension.objects.select_related("user"):
            user = extension.user.username if extension.user else "-"
            marks = [
                ("phone", extension.ha1_md5),
                ("pin", extension.pin_hash),
                ("off", not extension.enabled),
            ]
            marked = ",".join(name for name, there in marks if there) or "-"
            self.stdout.write(f"{extension.number}\t{extension.name or '-'}\t{user}\t{marked}")

    def do_remove(self, options: dict[str, Any]) -> None:
        """Remove a number; its user stays."""
        extension = Extension.objects.filter(number=options["number"]).first()
        if extension is None:
            raise CommandError(f"No one has the number {options['number']}.")
        actions.remove_extension(extension)
        self.stdout.write(f"Extension {extension.number} removed.")
