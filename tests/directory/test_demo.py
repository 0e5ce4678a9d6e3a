"""The first start's two accounts."""

import stat

import pytest
from django.conf import settings

from ucplatform.directory import actions
from ucplatform.directory.demo import make_demo_accounts
from ucplatform.directory.models import Extension, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_two_accounts_the_first_an_administrator():
    first, second = make_demo_accounts()
    assert (first.name, first.number, second.name, second.number) == ("Reception", "200", "Sales 2", "212")
    one, two = User.objects.order_by("pk")
    assert one.is_admin and not two.is_admin
    assert one.check_password(first.password) and two.check_password(second.password)
    assert len({first.password, second.password, first.secret, second.secret}) == 4
    stored = Extension.objects.get(number="200")
    assert {column: getattr(stored, column) for column in actions.HASHES} == actions.hash_secret(
        "200", first.secret
    )


def test_they_are_written_down_for_the_owner_alone():
    accounts = make_demo_accounts()
    path = settings.UC_DATA_DIR / "demo-accounts.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for account in accounts:
        assert account.password in path.read_text() and account.secret in path.read_text()


def test_a_second_start_makes_none_and_keeps_the_file():
    make_demo_accounts()
    before = (settings.UC_DATA_DIR / "demo-accounts.txt").read_text()
    assert make_demo_accounts() == []
    assert (settings.UC_DATA_DIR / "demo-accounts.txt").read_text() == before
