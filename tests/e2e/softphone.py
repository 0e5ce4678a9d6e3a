"""The page as a person uses it: controls found by role and accessible name, nothing else."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.chromium import Chromium
from tests.e2e.instance import Person
from tests.e2e.wait import until

expect.set_options(timeout=10_000)

Call = dict[str, Any]


class Softphone:
    """A browser in which `person` signs in at `base` (the instance's http or https URL)."""

    def __init__(self, browser: Chromium, person: Person, base: str) -> None:
        self.browser = browser
        self.person = person
        self.base = base

    @property
    def page(self) -> Page:
        """The browser's first tab."""
        return self.browser.page

    # -- coming in -------------------------------------------------------------------------------

    def sign_in(self) -> None:
        """Sign in and wait until the page can call and be called."""
        self.page.goto(f"{self.base}/accounts/login/")
        self.page.get_by_label("User name or e-mail").fill(self.person.username)
        self.page.get_by_label("Password").fill(self.person.password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.wait_status("Free")

    def wait_status(self, word: str, seconds: float = 15.0) -> None:
        """Until the rail says Free, In a call, Ringing …"""
        account = self.page.get_by_role(
            "button", name=re.compile(rf"^Your account:.*\b{re.escape(word)}$", re.S)
        )
        try:
            expect(account.first).to_be_visible(timeout=seconds * 1000)
        except AssertionError:
            raise AssertionError(f"status never {word}:\n{self.browser.report()}") from None

    # -- controls --------------------------------------------------------------------------------

    def button(self, name: str) -> Locator:
        """The one visible button of this accessible name."""
        return self.page.get_by_role("button", name=name, exact=True).locator("visible=true").first

    def press(self, name: str) -> None:
        """Click a button: Answer, Decline, End, Mute, Hold, Resume, Keypad …"""
        self.button(name).click()

    def dial(self, number: str) -> None:
        """Type a number into the field and click Call."""
        self.page.get_by_role("combobox", name="Number or name").fill(number)
        self.press("Call")

    # -- states ----------------------------------------------------------------------------------

    def wait_incoming(self, seconds: float = 10.0) -> None:
        """Until the card of an incoming call is there."""
        expect(self.button("Answer")).to_be_visible(timeout=seconds * 1000)

    def wait_no_incoming(self, seconds: float = 5.0) -> None:
        """Until it rings no more."""
        expect(self.button("Answer")).not_to_be_visible(timeout=seconds * 1000)

    def wait_talking(self, seconds: float = 10.0) -> None:
        """Until the call is up: only then can it be held."""
        expect(self.button("Hold")).to_be_visible(timeout=seconds * 1000)

    def wait_over(self, seconds: float = 10.0) -> None:
        """Until no call is left on the page."""
        for name in ("End", "Cancel", "Answer"):
            expect(self.button(name)).not_to_be_visible(timeout=seconds * 1000)

    def wait_says(self, text: str, seconds: float = 10.0) -> None:
        """Until a sentence stands somewhere on the page."""
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible(
            timeout=seconds * 1000
        )

    # -- sound -----------------------------------------------------------------------------------

    def wait_hears(self, frequency: float, seconds: float = 15.0) -> None:
        """Until the page plays the tone."""
        self.browser.wait_hears(frequency, seconds)

    def wait_hears_no(self, frequency: float, seconds: float = 10.0) -> None:
        """Until the page plays it no more."""
        self.browser.wait_hears_no(frequency, seconds)

    # -- history ---------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        """The person's history as the API gives it, newest first."""
        reply = self.page.request.get(f"{self.base}/api/v1/calls")
        assert reply.ok, f"/api/v1/calls: {reply.status} {reply.text()}"
        items: list[Call] = reply.json()["items"]
        return items

    def wait_record(self, **expected: object) -> Call:
        """Until the newest call of the history has these values, e.g. result="answered"."""

        def look() -> Call | None:
            calls = self.calls()
            return calls[0] if calls and expected.items() <= calls[0].items() else None

        try:
            return until(look, 10, "a record", every=0.2)
        except AssertionError:
            raise AssertionError(f"no record with {expected}; the newest: {self.calls()[:2]}") from None

    def messages(self, call: Call) -> list[dict[str, Any]]:
        """The ladder of a call: its SIP messages and media events."""
        reply = self.page.request.get(f"{self.base}/api/v1/calls/{call['id']}/messages")
        assert reply.ok, f"messages: {reply.status} {reply.text()}"
        items: list[dict[str, Any]] = reply.json()["items"]
        return items
