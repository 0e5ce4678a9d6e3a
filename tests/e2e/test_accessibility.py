"""axe finds nothing serious at any width, in either theme or language; and a call needs no mouse."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.e2e.chromium import BINARY, FLAGS
from tests.e2e.conftest import MakeSoftphone
from tests.e2e.instance import ROOT, Instance, Person

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = ((390, 844), (768, 1024), (1440, 900))
# What axe holds against the page as it stands, in a form that a failure can show.
FINDINGS = """async () => {
  const ends = ({ effect }) => effect.getComputedTiming().endTime < Infinity;
  const moving = document.getAnimations().filter(ends);
  await Promise.allSettled(moving.map((one) => one.finished));
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}"""
# The page scrolls inside its panes, and no page scrolls sideways.
BEYOND = """() => {
  const { scrollWidth, scrollHeight, dataset } = document.documentElement;
  return [scrollWidth > innerWidth, dataset.sip !== undefined && scrollHeight > innerHeight];
}"""
WORDS = {
    "en-US": {"end": "End", "test": "Test call", "mic": "Test microphone", "password": "Change password"},
    "pt-BR": {
        "end": "Desligar",
        "test": "Ligação de teste",
        "mic": "Testar o microfone",
        "password": "Trocar a senha",
    },
}


def look(page: Page, what: str) -> list[str]:
    """Findings of all widths and both themes."""
    found = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found += [f"{what} {width} {theme}: {finding}" for finding in page.evaluate(FINDINGS)]
            if any(page.evaluate(BEYOND)):
                found.append(f"{what} {width}: larger than the window")
    return found


@pytest.fixture(params=sorted(WORDS))
def reader(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser in one language in which axe may be put into the page: without the page's own policy."""
    assert AXE.exists(), "axe-core is missing: make test installs it with the front end's modules"
    browser = playwright.chromium.launch(
        executable_path=BINARY, headless=True, chromium_sandbox=False, args=FLAGS
    )
    made = browser.new_context(locale=request.param, bypass_csp=True)
    made.set_default_timeout(10_000)
    made.add_init_script(path=Path(AXE))
    yield made
    browser.close()


def test_axe_finds_nothing_serious(reader: BrowserContext, instance: Instance, worker: Person):
    page = reader.new_page()
    page.goto(f"{instance.http}/accounts/login/")
    language = page.locator("html").get_attribute("lang") or ""
    words = next(words for tag, words in WORDS.items() if tag[:2] == language[:2])
    found = look(page, "sign-in")
    page.locator("[name=login]").fill(worker.username)
    page.locator("[name=password]").fill(worker.password)
    page.keyboard.press("Enter")
    page.locator("html[data-sip=registered]").wait_for(state="attached")
    found += look(page, "phone")
    page.get_by_role("button", name=words["test"], exact=True).click()
    bar = page.get_by_role("button", name=words["end"], exact=True)
    bar.wait_for()
    page.locator("section canvas, section svg.wave").first.wait_for(state="attached")
    found += look(page, "call bar")
    page.locator("a[href='/call']").last.click()
    found += look(page, "in call")
    bar.click()
    page.goto(f"{instance.http}/history")
    page.get_by_role("table").get_by_role("link").first.click()
    page.locator("article ol li").first.wait_for()
    found += look(page, "history detail")
    page.goto(f"{instance.http}/settings")
    page.get_by_role("button", name=words["mic"], exact=True).click()
    found += look(page, "settings")
    page.get_by_role("button", name=re.compile(worker.name)).first.click()
    page.get_by_role("button", name=words["password"], exact=True).click()
    page.get_by_role("dialog").get_by_role("textbox").first.wait_for()
    found += look(page, "password change")
    assert not found, "\n".join(found[:20])


def test_a_call_without_a_mouse(instance: Instance, make_softphone: MakeSoftphone):
    anna, bert = instance.take_person(web=True), instance.take_person(web=True)
    first, second = make_softphone(anna), make_softphone(bert, frequency=600)
    field = first.page.get_by_role("combobox", name="Number or name")
    first.page.keyboard.press("d")
    expect(field).to_be_focused()
    first.page.keyboard.type(bert.number)
    first.page.keyboard.press("Enter")
    # F2 answers while the called person types, and the cursor stays where it was.
    typing = second.page.get_by_role("combobox", name="Number or name")
    typing.focus()
    second.wait_incoming()
    expect(second.page.get_by_role("alert")).to_contain_text(f"Incoming call: {anna.name}")
    expect(typing).to_be_focused()
    second.page.keyboard.press("F2")
    first.wait_talking()
    first.wait_hears(600)
    first.page.keyboard.press("F8")
    expect(first.button("Unmute")).to_be_visible()
    second.wait_hears_no(1000)
    # Muted, space is held to speak; outside fields only.
    field.evaluate("field => field.blur()")
    first.page.keyboard.down(" ")
    second.wait_hears(1000)
    first.page.keyboard.up(" ")
    expect(first.button("Unmute")).to_be_visible()
    first.page.keyboard.press("m")
    expect(first.button("Mute")).to_be_visible()
    first.page.keyboard.press("Shift+F8")
    expect(first.button("Resume")).to_be_visible()
    expect(first.page.get_by_role("status").filter(has_text="On hold").first).to_be_attached()
    first.page.keyboard.press("Shift+F8")
    expect(first.button("Hold")).to_be_visible()
    first.page.keyboard.press("k")
    first.page.keyboard.press("5")
    expect(first.page.locator("output")).to_contain_text("Sent: 5")
    # Escape closes what is open and never ends a call.
    first.page.keyboard.press("Escape")
    expect(first.page.locator("output")).not_to_be_visible()
    first.page.keyboard.press("Escape")
    first.wait_hears(600)
    first.page.keyboard.press("g")
    first.page.keyboard.press("y")
    first.page.keyboard.press("/")
    expect(first.page.get_by_role("searchbox", name="Search name or number")).to_be_focused()
    first.page.keyboard.press("Shift+F2")
    second.wait_over()
    first.wait_record(direction="out", result="answered", hung_up_by="caller")
    # And Shift F2 declines.
    second.page.keyboard.type(anna.number)
    second.page.keyboard.press("Enter")
    first.wait_incoming()
    first.page.keyboard.press("Shift+F2")
    second.wait_says("They declined the call.")
