"""Fixtures of the long tests: those of the end-to-end tests, and a house with a crowd in it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import desk, instance, make_phone, ports, stack
from tests.long.house import House

__all__ = ["desk", "house", "instance", "make_phone", "ports", "stack"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this directory are long."""
    for item in items:
        if "long" in item.path.parts:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def house(instance, ports) -> House:
    """The product, seen from inside."""
    return House(instance, ports)
