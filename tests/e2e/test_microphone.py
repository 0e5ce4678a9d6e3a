"""The microphone doctor: what it says when Chromium gives no microphone, and what its button goes on with."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

from tests.e2e.chromium import BINARY, FLAGS
from tests.e2e.conftest import MakeSoftphone
from tests.e2e.instance import Instance, Person

MakeBrowser = Callable[..., Browser]


@pytest.fixture
def make_browser(playwright: Playwright) -> Iterator[MakeBrowser]:
    """make_browser(without="fake-ui", more=[…]): a Chromium without some of the lab's flags."""
    started = []

    def make(without: str = "", more: list[str] | None = None) -> Browser:
        kept = [flag for flag in FLAGS if not without or without not in flag]
        browser = playwright.chromium.launch(
            executable_path=BINARY, headless=True, chromium_sandbox=False, args=[*kept, *(more or [])]
        )
        started.append(browser)
        return browser

    yield make
    for browser in started:
        browser.close()


def sign_in(context: BrowserContext, person: Person, base: str) -> Page:
    """A page that can call but for its microphone."""
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{base}/accounts/login/")
    page.locator("[name=login]").fill(person.username)
    page.locator("[name=password]").fill(person.password)
    page.keyboard.press("Enter")
    page.locator("html[data-sip=registered]").wait_for(state="attached")
    return page


def deny_microphone(page: Page, origin: str) -> None:
    """As a person who chose Block beside the address."""
    setting = {"permission": {"name": "microphone"}, "setting": "denied", "origin": origin}
    page.context.new_cdp_session(page).send("Browser.setPermission", setting)


def doctor(page: Page) -> Locator:
    """What the doctor says."""
    return page.get_by_role("status").filter(has=page.get_by_role("button", name="Check again"))


def test_no_microphone(make_browser: MakeBrowser, instance: Instance, worker: Person):
    browser = make_browser(without="--use-fake-device", more=["--disable-audio-input"])
    page = sign_in(browser.new_context(locale="en-US"), worker, instance.http)
    page.get_by_role("button", name="Test call", exact=True).click()
    expect(doctor(page)).to_contain_text("No microphone is found.")
    expect(doctor(page)).to_contain_text("Plug in a microphone or a headset, then check again.")
    page.get_by_role("button", name="Check again").click()
    expect(doctor(page)).to_contain_text("No microphone is found.")
    expect(page.get_by_role("button", name="End", exact=True)).not_to_be_visible()


def test_blocked_microphone_of_a_caller(make_browser: MakeBrowser, instance: Instance, worker: Person):
    browser = make_browser(without="--use-fake-ui")
    page = sign_in(browser.new_context(locale="en-US"), worker, instance.http)
    deny_microphone(page, instance.http)
    page.get_by_role("button", name="Test call", exact=True).click()
    expect(doctor(page)).to_contain_text("The browser does not let this page use the microphone.")
    expect(doctor(page)).to_contain_text("set Microphone to Allow, then check again")
    # The person allows it: the call that was wanted is made.
    page.context.grant_permissions(["microphone"], origin=instance.http)
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_role("button", name="Hold", exact=True)).to_be_visible()
    expect(doctor(page)).not_to_be_visible()
    page.get_by_role("button", name="End", exact=True).click()


def test_blocked_microphone_of_the_called(
    make_browser: MakeBrowser, make_softphone: MakeSoftphone, instance: Instance, worker: Person
):
    caller = make_softphone(instance.take_person(web=True))
    browser = make_browser(without="--use-fake-ui")
    page = sign_in(browser.new_context(locale="pt-BR"), worker, instance.http)
    deny_microphone(page, instance.http)
    caller.dial(worker.number)
    page.get_by_role("button", name="Atender", exact=True).click()
    card = page.get_by_role("region", name="Ligação recebida")
    expect(card).to_contain_text("O navegador não deixa esta página usar o microfone.")
    expect(card).to_contain_text("Enquanto isso a ligação continua tocando.")
    page.context.grant_permissions(["microphone"], origin=instance.http)
    card.get_by_role("button", name="Verificar de novo").click()
    caller.wait_talking()
    caller.press("End")
    caller.wait_record(result="answered")


def test_insecure_page(make_browser: MakeBrowser, instance: Instance, worker: Person):
    # The house offers http on loopback alone; a proxy of the network might lead there all the same.
    browser = make_browser(more=[f"--host-resolver-rules=MAP {instance.lan}:{instance.http_port} 127.0.0.1"])
    context = browser.new_context(locale="en-US", ignore_https_errors=True)
    page = sign_in(context, worker, f"http://{instance.lan}:{instance.http_port}")
    assert not page.evaluate("isSecureContext")
    page.get_by_role("button", name="Test call", exact=True).click()
    expect(doctor(page)).to_contain_text("This page is not secure, so the browser gives it no microphone.")
    page.get_by_role("link", name="Open the secure page").click()
    page.wait_for_url(f"{instance.https}/**")
    assert page.evaluate("isSecureContext")
