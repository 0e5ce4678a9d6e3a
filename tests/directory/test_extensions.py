"""Numbers and their secrets: written by actions, counted, announced, read by the edge as plain values."""

import hashlib
import json

import pytest
from django.core.exceptions import ValidationError

from ucplatform.directory import actions, adapter
from ucplatform.directory.models import Extension
from ucplatform.pbx.ports import Account


def digest(algorithm: str, text: str) -> str:
    return hashlib.new(algorithm, text.encode()).hexdigest()


def test_secret_is_kept_as_digest_hashes_of_the_domain(db, redis):
    extension = actions.add_extension("201", name="Front desk", secret="s3cret")
    assert extension.ha1_md5 == digest("md5", "201:test.example:s3cret")
    assert extension.ha1_sha256 == digest("sha256", "201:test.example:s3cret")
    assert extension.ha1_sha512_256 == digest("sha512_256", "201:test.example:s3cret")


def test_an_extension_without_a_secret_has_no_hash_that_fits_an_empty_one(db, redis):
    assert actions.add_extension("201").ha1_md5 == ""


@pytest.mark.parametrize("number", ["", "20a", "*43", "1" * 16, "201\n", "２０１", "-1"])
def test_a_number_is_one_to_fifteen_digits(db, redis, number):
    with pytest.raises(ValidationError):
        actions.add_extension(number)
    assert not Extension.objects.exists()


def test_a_number_is_given_once(db, redis):
    actions.add_extension("201")
    with pytest.raises(ValidationError):
        actions.add_extension("201")


def test_pin_is_checked_and_never_stored(db, redis):
    extension = actions.add_extension("201", pin="4711")
    assert actions.check_pin(extension, "4711")
    assert not actions.check_pin(extension, "4712")
    assert "4711" not in extension.pin_hash
    other = actions.add_extension("202", pin="4711")
    assert other.pin_hash != extension.pin_hash


def test_no_pin_fits_when_none_is_set(db, redis):
    extension = actions.add_extension("201")
    assert not actions.check_pin(extension, "")


def test_the_edge_gets_plain_accounts(alice, bob):
    accounts = {account.number: account for account in adapter.load_accounts()}
    assert accounts["201"] == Account(
        number="201",
        name="Alice",
        user_id=alice.pk,
        ha1_md5=digest("md5", "201:test.example:alice-secret"),
        ha1_sha256=digest("sha256", "201:test.example:alice-secret"),
        ha1_sha512_256=digest("sha512_256", "201:test.example:alice-secret"),
        enabled=True,
        language="en",
    )
    assert list(accounts) == ["201", "202"]


def test_an_account_of_someone_switched_off_is_disabled(alice):
    alice.is_active = False
    alice.language = "pt-BR"
    alice.save()
    (account,) = adapter.load_accounts()
    assert (account.enabled, account.language) == (False, "pt-BR")


def test_every_write_counts(db, redis, django_capture_on_commit_callbacks):
    seen = [adapter.directory_version()]

    def counted(write):
        with django_capture_on_commit_callbacks(execute=True):
            result = write()
        seen.append(adapter.directory_version())
        return result

    extension = counted(lambda: actions.add_extension("201"))
    counted(lambda: actions.change_extension(extension, name="Desk"))
    counted(lambda: actions.set_option("ring_seconds", 20))
    counted(lambda: actions.reset_option("ring_seconds"))
    counted(lambda: actions.remove_extension(extension))
    assert seen == sorted(set(seen))


def test_a_write_is_announced_after_commit_and_not_before(transactional_db, redis):
    from django.db import transaction

    listener = redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("uc:directory")
    listener.get_message(timeout=5)  # the subscription's own answer
    with transaction.atomic():
        actions.add_extension("201")
        assert listener.get_message() is None
    message = next(listener.listen())
    assert json.loads(message["data"]) == {"version": adapter.directory_version()}
    listener.close()


def test_a_write_that_is_rolled_back_is_not_announced(
    transactional_db, redis, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as callbacks, pytest.raises(ValidationError):
        actions.add_extension("not a number")
    assert callbacks == []


def test_the_secret_changes_and_the_number_does_not(db, redis):
    extension = actions.add_extension("201", secret="one")
    before = extension.ha1_md5
    actions.change_extension(extension, secret="two")
    extension.refresh_from_db()
    assert extension.ha1_md5 == digest("md5", "201:test.example:two") != before
