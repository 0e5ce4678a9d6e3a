"""Many extensions at once: a CSV file is checked whole, then written in one transaction, or not at all.

Columns: number,name,secret,username,password,pin; only `number` must be there, in any order, separated by
commas or semicolons. A number that exists is changed; an empty cell leaves what is stored."""

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction

from ucplatform.directory import actions
from ucplatform.directory.models import Extension, User, number_validator

COLUMNS = ("number", "name", "secret", "username", "password", "pin")
Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


class LoadError(Exception):
    """The file cannot be loaded; `problems` are sentences that name the line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Row:
    """One extension as text; `line` is its place in the file, for messages."""

    line: int
    number: str
    name: str = ""
    secret: str = ""
    username: str = ""
    password: str = ""
    pin: str = ""


def parse(text: str) -> list[Row]:
    """The rows of a CSV text. Raises LoadError: no header, an unknown column, a line with too many cells."""
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    header = [(name or "").strip().lower() for name in reader.fieldnames or []]
    if "number" not in header:
        raise LoadError([f"Line 1 must name the columns: {','.join(COLUMNS)}"])
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        raise LoadError(
            [f"Line 1: unknown column {', '.join(map(repr, unknown))}; known: {','.join(COLUMNS)}"]
        )
    reader.fieldnames = header
    rows, problems = [], []
    try:
        for cells in reader:
            if None in cells:
                problems.append(f"Line {reader.line_num}: more cells than columns")
                continue
            rows.append(
                Row(reader.line_num, **{name: (value or "").strip() for name, value in cells.items()})
            )
    except csv.Error as error:
        problems.append(f"Line {reader.line_num}: {error}")
    if problems:
        raise LoadError(problems)
    return rows


def problems_of(row: Row) -> Iterable[str]:
    """What is wrong with a row by itself."""
    try:
        number_validator(row.number)
    except ValidationError:
        yield f"{row.number!r} is not a number of one to fifteen digits"
    for column in COLUMNS:
        value = getattr(row, column)
        limit = 80 if column in {"number", "name"} else 150
        if len(value) > limit:
            yield f"{column} is longer than {limit} characters"
        if not value.isprintable():
            yield f"{column} holds a control character"
    if row.password and not row.username:
        yield "a password needs a username"
    if row.username:
        try:
            UnicodeUsernameValidator()(row.username)
        except ValidationError:
            yield f"username {row.username!r} may hold letters, digits and @ . + - _"
    if row.pin and not (row.pin.isascii() and row.pin.isdigit() and 4 <= len(row.pin) <= 12):
        yield "a PIN has four to twelve digits"


def check(rows: list[Row]) -> list[str]:
    """Everything that is wrong, in the order of the lines; empty when all rows can be written."""
    numbers = Counter(row.number for row in rows)
    names = Counter(row.username for row in rows if row.username)
    holders = dict(
        User.objects.filter(username__in=names).values_list("username", "extension__number")  # number or None
    )
    found = []
    for row in rows:
        problems = list(problems_of(row))
        if numbers[row.number] > 1:
            problems.append(f"number {row.number} stands in the file {numbers[row.number]} times")
        if row.username and names[row.username] > 1:
            problems.append(f"username {row.username} stands in the file {names[row.username]} times")
        holder = holders.get(row.username)
        if holder and holder != row.number:
            problems.append(f"username {row.username} has the extension {holder} already")
        if row.username and row.username not in holders and not row.password:
            problems.append(f"username {row.username} is new and needs a password")
        found += [f"Line {row.line}: {problem}" for problem in problems]
    return found


def hash_passwords(rows: list[Row], progress: Progress) -> dict[str, str]:
    """Stored forms by user name. The hash function works outside the interpreter's lock, so threads help."""
    wanted = [row for row in rows if row.password]
    hashed = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        results = pool.map(actions.hash_first_password, [row.password for row in wanted])
        for done, (row, stored) in enumerate(zip(wanted, results, strict=True), 1):
            hashed[row.username] = stored
            progress("passwords", done, len(wanted))
    return hashed


def save_users(rows: list[Row], hashed: dict[str, str]) -> dict[str, User]:
    """Create or change the users of the rows; returns them by user name."""
    named = {row.username: row for row in rows if row.username}
    users = {user.username: user for user in User.objects.filter(username__in=named)}
    old = list(users.values())
    for username, row in named.items():
        user = users.setdefault(username, User(username=username))
        user.name = row.name or user.name
        user.password = hashed.get(username, user.password)
    User.objects.bulk_create([user for user in users.values() if user.pk is None], batch_size=200)
    User.objects.bulk_update(old, ["name", "password"], batch_size=200)
    return {user.username: user for user in User.objects.filter(username__in=named)}


def save_extensions(rows: list[Row], users: dict[str, User], progress: Progress) -> tuple[int, int]:
    """Create or change the extensions; returns how many of each."""
    stored = {e.number: e for e in Extension.objects.filter(number__in=[row.number for row in rows])}
    fresh, old = [], []
    for done, row in enumerate(rows, 1):
        extension = stored.get(row.number) or Extension(number=row.number)
        (old if extension.pk else fresh).append(extension)
        extension.name = row.name or extension.name
        if row.username:
            extension.user = users[row.username]
        if row.secret:
            actions.keep_secret(extension, row.secret)
        if row.pin:
            extension.pin_hash = actions.hash_pin(row.pin)
        progress("extensions", done, len(rows))
    Extension.objects.bulk_create(fresh, batch_size=200)
    fields = ["name", "user", *actions.HASHES, "pin_hash"]
    Extension.objects.bulk_update(old, fields, batch_size=100)
    return len(fresh), len(old)


def load(rows: list[Row], progress: Progress = lambda what, done, total: None) -> tuple[int, int]:
    """Write all rows or none; returns (created, changed). Raises LoadError before anything is written."""
    problems = check(rows)
    if problems:
        raise LoadError(problems)
    hashed = hash_passwords(rows, progress)
    with transaction.atomic():
        users = save_users(rows, hashed)
        counts = save_extensions(rows, users, progress)
        actions.changed(user.pk for user in users.values())
    return counts
