"""Fixtures of the end-to-end tests: ports, the product, phones, browsers. Everything here is real."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.e2e.ports import PortBlock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this directory are end-to-end tests."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def ports() -> Iterator[PortBlock]:
    """This test process's own block of ports."""
    block = PortBlock()
    yield block
    block.release()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver.

    Not for the whole session: while it runs, this thread counts as inside an event loop, and the asynchronous
    tests of other modules could not run.
    """
    with sync_playwright() as driver:
        yield driver
