"""Writes to users, extensions and settings. Each publishes after commit, so edges and pages follow."""

import hmac
import secrets
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import F
from django.utils.crypto import salted_hmac

from ucplatform.directory import sessions
from ucplatform.directory.models import Extension, Revision, Setting, User
from ucplatform.directory.options import OPTIONS, Value
from ucplatform.notify import actions as notify
from ucplatform.sip.digest import ALGORITHMS, ha1

# A password that an operator hands out is hashed quickly, so that a thousand load in seconds; Django hashes
# it again at full strength when its owner first signs in (`must_update`).
FIRST_PASSWORD_ITERATIONS = 30_000


def changed(user_ids: Iterable[int | None] = ()) -> None:
    """Count a write to the directory and announce it: to the edges, and to the pages of the users named."""
    if not Revision.objects.filter(pk=1).update(number=F("number") + 1):
        Revision.objects.get_or_create(pk=1, defaults={"number": 1})
    notify.announce_directory(Revision.objects.get(pk=1).number)
    notify.publish(user_ids, "extension.changed")


def fold(text: str) -> str:
    """Text for comparison in searches: without case and accents, which databases fold each in their own
    way."""
    if text.isascii():
        return text.lower()
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return bare.casefold()


# Secrets ----------------------------------------------------------------------------------------------------


#: Column of an extension → the algorithm whose hash it holds.
HASHES = {"ha1_md5": "MD5", "ha1_sha256": "SHA-256", "ha1_sha512_256": "SHA-512-256"}


def hash_secret(number: str, secret: str) -> dict[str, str]:
    """H(number:realm:secret) as hex by column (RFC 7616 3.4.2), "" for what this machine's OpenSSL lacks; the
    realm is the SIP domain."""
    realm = settings.UC_DOMAIN
    return {
        column: ha1(number, realm, secret, algorithm) if algorithm in ALGORITHMS else ""
        for column, algorithm in HASHES.items()
    }


def keep_secret(extension: Extension, secret: str) -> None:
    """Let the secret be known by its hashes; saving is the caller's."""
    for column, value in hash_secret(extension.number, secret).items():
        setattr(extension, column, value)


def hash_pin(pin: str) -> str:
    """A PIN has too few values for any slow hash: it is keyed with the secret key, which no database
    holds."""
    salt = secrets.token_hex(8)
    return f"hmac${salt}${salted_hmac('uc pin ' + salt, pin, algorithm='sha256').hexdigest()}"


def check_pin(extension: Extension, pin: str) -> bool:
    """Does the PIN fit? False when none is set. Counting failures is the caller's."""
    kind, _, rest = extension.pin_hash.partition("$")
    salt, _, wanted = rest.partition("$")
    if kind != "hmac":
        return False
    return hmac.compare_digest(salted_hmac("uc pin " + salt, pin, algorithm="sha256").hexdigest(), wanted)


def hash_first_password(password: str) -> str:
    """The stored form of a password that its owner did not choose."""
    hasher = PBKDF2PasswordHasher()
    return hasher.encode(password, hasher.salt(), iterations=FIRST_PASSWORD_ITERATIONS)


# Extensions -------------------------------------------------------------------------------------------------


@transaction.atomic
def add_extension(
    number: str, *, name: str = "", secret: str = "", user: User | None = None, pin: str = ""
) -> Extension:
    """Create a number. Without a secret no phone can sign in to it, only its user's page.

    Raises ValidationError (number not digits, or taken)."""
    extension = Extension(number=number, name=name, user=user)
    if secret:
        keep_secret(extension, secret)
    if pin:
        extension.pin_hash = hash_pin(pin)
    extension.full_clean(exclude=[*HASHES, "pin_hash"])
    extension.save(force_insert=True)
    changed([extension.user_id])
    return extension


@transaction.atomic
def change_extension(extension: Extension, *, secret: str = "", pin: str = "", **fields: Any) -> Extension:
    """Set plain fields (name, user, srtp, enabled), and secret or PIN where given. The number of an extension
    never changes: its hashes contain it."""
    before = Extension.objects.values_list("user_id", flat=True).get(pk=extension.pk)
    for field, value in fields.items():
        setattr(extension, field, value)
    if secret:
        keep_secret(extension, secret)
    if pin:
        extension.pin_hash = hash_pin(pin)
    extension.save()
    changed([before, extension.user_id])
    return extension


@transaction.atomic
def remove_extension(extension: Extension) -> None:
    """Delete a number; its user stays and may still sign in. Its phones are refused at their next request."""
    user_id = extension.user_id
    extension.delete()
    changed([user_id])


# Users ------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_user(username: str, password: str, *, name: str = "", admin: bool = False) -> User:
    """Create a person who can sign in. Raises ValidationError (name taken or with odd characters)."""
    user = User(username=username, name=name, is_staff=admin, is_superuser=admin)
    user.password = hash_first_password(password)
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    return user


@transaction.atomic
def change_password(user: User, password: str, keep_session: SessionBase | None = None) -> None:
    """Set a password and end all other sessions of the user, with the lines opened in them."""
    user.set_password(password)
    user.save(update_fields=["password"])
    sessions.end_sessions(user.pk, keep=keep_session)


@transaction.atomic
def change_profile(user: User, *, language: str | None = None, name: str | None = None) -> User:
    """Set language ('' follows the browser) and name; the extension's name follows if it was the same."""
    if language is not None:
        user.language = language
    if name is not None:
        Extension.objects.filter(user=user, name=user.name).update(name=name)
        user.name = name
    user.full_clean(exclude=["password"])
    user.save(update_fields=["language", "name"])
    changed([user.pk])
    return user


@transaction.atomic
def person_changed(user: User, *, password_changed: bool = False) -> None:
    """An administrator saved a user: whoever may no longer sign in so loses sessions and lines now."""
    if password_changed or not user.is_active:
        sessions.end_sessions(user.pk)
    changed([user.pk])


@transaction.atomic
def remove_user(user: User) -> None:
    """Delete a person; the number stays and has nobody, the history stays and shows the names of then."""
    sessions.end_sessions(user.pk)
    user.delete()
    changed()


def users_of_numbers(numbers: Iterable[str]) -> dict[str, int]:
    """The user who holds each number now; numbers without a user are left out."""
    rows = Extension.objects.filter(number__in=set(numbers), user__isnull=False)
    return dict(rows.values_list("number", "user_id"))


def number_of(user: User) -> str | None:
    """The user's enabled number."""
    return Extension.objects.filter(user=user, enabled=True).values_list("number", flat=True).first()


# Settings ---------------------------------------------------------------------------------------------------


def option(key: str) -> Value:
    """The value of a setting now. Raises KeyError for a name that is none."""
    default = OPTIONS[key].default
    stored = Setting.objects.filter(pk=key).values_list("value", flat=True).first()
    return default if stored is None else stored


def options() -> dict[str, Value]:
    """All settings now, defaults filled in."""
    stored = dict(Setting.objects.values_list("key", "value"))
    return {key: stored.get(key, option.default) for key, option in OPTIONS.items()}


@transaction.atomic
def set_option(key: str, value: object) -> Value:
    """Change a setting. Raises KeyError (no such setting), ValidationError (value out of bounds)."""
    parsed = OPTIONS[key].parse(value)
    Setting.objects.update_or_create(pk=key, defaults={"value": parsed})
    changed()
    return parsed


@transaction.atomic
def reset_option(key: str) -> None:
    """Back to the default."""
    Setting.objects.filter(pk=key).delete()
    changed()
