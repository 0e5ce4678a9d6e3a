"""Fixtures of the end-to-end tests: ports, the product, phones, browsers. Everything here is real."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.e2e.baresip import Account, Baresip
from tests.e2e.chromium import Browsers, Chromium
from tests.e2e.instance import Instance, Person
from tests.e2e.scenarios import Played, Stage, chosen
from tests.e2e.softphone import Softphone
from tests.ports import PortBlock

MakePhone = Callable[..., Baresip]
MakeSoftphone = Callable[..., Softphone]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this directory are end-to-end tests, and may wait for a whole house to start."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(120))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the house wrote meanwhile."""
    report = yield
    instance = getattr(item, "funcargs", {}).get("instance")
    if report.failed and isinstance(instance, Instance):
        report.sections.append(("what the house wrote", "\n".join(instance.new_lines())))
    return report


@pytest.fixture(autouse=True)
def fresh_log(request: pytest.FixtureRequest) -> None:
    """What the house wrote before this test is not this test's."""
    if "instance" in request.fixturenames:
        request.getfixturevalue("instance").new_lines()


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


@pytest.fixture(scope="module")
def browsers(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    """The browser processes of a module's tests; each test has profiles of its own in them."""
    running = Browsers(playwright, tmp_path_factory.mktemp("browsers"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def instance(ports: PortBlock) -> Iterator[Instance]:
    """The product, started once for this test process; its end must leave no process behind."""
    started = Instance(ports)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest,
    instance: Instance,
    ports: PortBlock,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Played]:
    """What came of each row that is asked for."""
    stage = Stage(instance, ports, tmp_path_factory.mktemp("stage"))
    return stage.play(chosen(request.session.items, request.module))


@pytest.fixture
def desk(instance: Instance) -> Person:
    """Somebody with a desk phone alone."""
    return instance.take_person(web=False)


@pytest.fixture
def worker(instance: Instance) -> Person:
    """Somebody with a web account."""
    return instance.take_person(web=True)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Phones and browsers of a test, ended in reverse order."""
    with ExitStack() as everything:
        yield everything


@pytest.fixture
def make_phone(instance: Instance, ports: PortBlock, tmp_path: Path, stack: ExitStack) -> MakePhone:
    """make_phone(person, frequency=440, transport="udp", codecs="", answer="manual"): a registered phone."""

    def make(person: Person, *, frequency: int = 440, **options: str) -> Baresip:
        account = Account(person.number, person.secret, instance.sip, **options)
        directory = tmp_path / f"phone-{person.number}-{frequency}"
        phone = stack.enter_context(Baresip(directory, ports, account, frequency=frequency))
        phone.wait_registered()
        return phone

    return make


@pytest.fixture
def make_softphone(instance: Instance, browsers: Browsers, stack: ExitStack) -> MakeSoftphone:
    """make_softphone(person, frequency=1000, https=False, opus_only=False): a signed-in page."""

    def make(
        person: Person, *, frequency: int = 1000, https: bool = False, opus_only: bool = False
    ) -> Softphone:
        browser = stack.enter_context(Chromium(browsers, frequency=frequency))
        if opus_only:
            browser.opus_only()
        softphone = Softphone(browser, person, instance.https if https else instance.http)
        softphone.sign_in()
        return softphone

    return make


def connect(page: Softphone, phone: Baresip) -> None:
    """The page calls the phone, which answers; each hears the other's usual tone."""
    page.dial(phone.account.number)
    phone.wait_ringing()
    phone.answer()
    page.wait_talking()
    page.wait_hears(440)
    phone.wait_hears(1000)


@pytest.fixture
def talking(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
) -> tuple[Softphone, Baresip]:
    """A page and a phone in a call, each hearing the other."""
    phone, page = make_phone(desk), make_softphone(worker)
    connect(page, phone)
    return page, phone
