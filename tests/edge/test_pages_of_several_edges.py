"""A page whose WebSocket another edge holds: its call hears of the loss, and the page comes back anywhere."""

from tests.edge.conftest import until
from tests.edge.house import DOMAIN, House, known
from tests.edge.telephone import Telephone
from ucplatform.edge.process import Edge
from ucplatform.edge.websocket import WebSocketConnection
from ucplatform.pbx.leg import Leg
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response

INSTANCE = '+sip.instance="<urn:uuid:5f>"'


class Page(Telephone):
    """A telephone on a WebSocket: it is the server's line (websocket.Line) and what is behind it."""

    def __init__(self, edge: Edge) -> None:
        super().__init__("201", "secret-201", ("", 0), DOMAIN)
        self.who: dict[str, str] = {}
        self.edge, transports = edge, edge.transports
        self.transport, self.address = "WS", "page.invalid"
        flow = Flow(transports.new_id("ws"), "ws", ("127.0.0.1", 8000), ("198.51.100.7", 0))
        self.connection = WebSocketConnection(transports, self, flow)
        transports.opened(self.connection)

    def send(self, data: bytes, to: object = None, *, text: bool | None = None) -> None:
        if text is None:
            self.edge.transports.deliver(data, self.connection.flow)
        else:
            self.datagram_received(data, ("", 0))

    def buffered(self) -> int:
        return 0

    def close(self, code: int = 1001, reason: str = "gone") -> None:
        self.edge.transports.lost(self.connection, reason)

    abort = close

    async def sign_in(self) -> "Page":
        contact = f"<sip:201@page.invalid;transport=ws>;{INSTANCE}"
        assert (await self.register(f"Contact: {contact}")).status == 200
        return self


def leg_of_page(edge: Edge) -> Leg:
    (call,) = edge._switchboard.calls.calls.values()
    return next(leg for leg in call.legs.values() if leg.browser)


async def hung_up(page: Page, caller: Telephone, answer: Response) -> Request:
    lines = [f"{name}: {answer.headers.get(name)}" for name in ("From", "To", "Call-ID")]
    caller.send(caller.build("BYE", str(answer.contacts[0].uri), *lines))
    bye = await page.request("BYE")
    page.answer(bye)
    assert (await caller.response()).status == 200
    return bye


async def test_a_page_that_loses_its_connection_comes_back_at_the_same_edge_or_another(house: House) -> None:
    one, two = await house.pair()
    caller = await house.telephone("200", one)
    await caller.register()
    for again in (two, one):
        page = await Page(two).sign_in()
        await until(lambda: [b.flow.edge for b in known(one, "201")] == ["2"])
        answer, _ = await caller.call(page)
        page.close()
        await until(lambda: leg_of_page(one).lost)
        back = await Page(again).sign_in()
        await until(lambda: not leg_of_page(one).lost)
        assert leg_of_page(one).flow.edge == ("2" if again is two else "")
        await hung_up(back, caller, answer)
        await until(lambda: not one._switchboard.calls.calls)
        back.close()


async def test_a_restarted_edge_asks_after_the_connections_of_its_calls(house: House) -> None:
    one, two = await house.pair()
    caller = await house.telephone("200", one)
    await caller.register()
    page = await Page(two).sign_in()
    await until(lambda: known(one, "201"))
    answer, _ = await caller.call(page)
    await until(lambda: one._switchboard._store._dirty == {})
    await one.stop()
    await until(lambda: two.health()["edges"] == {"1": "away"})
    one = await house.start("1", UC_SIP_UDP=f"127.0.0.1:{caller.server[1]}")
    assert not leg_of_page(one).lost  # it was not ours to lose
    await until(lambda: two.health()["edges"] == {"1": "linked"})
    await hung_up(page, caller, answer)


async def test_a_connection_that_went_while_its_calls_edge_was_away_is_found_to_be_gone(house: House) -> None:
    one, two = await house.pair()
    caller = await house.telephone("200", one)
    await caller.register()
    page = await Page(two).sign_in()
    await until(lambda: known(one, "201"))
    await caller.call(page)
    await one.stop()
    await until(lambda: two.health()["edges"] == {"1": "away"})
    page.close()
    one = await house.start("1", UC_SIP_UDP=f"127.0.0.1:{caller.server[1]}")
    await until(lambda: leg_of_page(one).lost)


async def test_a_credential_of_a_page_is_good_on_one_connection_at_all_edges(house: House) -> None:
    one, two = await house.pair()
    contact = f"Contact: <sip:201@page.invalid;transport=ws>;{INSTANCE}"

    async def sign_in(edge: Edge) -> tuple[Page, int]:
        page = Page(edge)
        page.username = "w!201!9999999999!session!nonce"
        return page, (await page.register(contact)).status

    page, status = await sign_in(two)
    assert status == 200
    await until(lambda: known(one, "201"))
    assert [(await sign_in(edge))[1] for edge in (one, two)] == [403, 403]
    third = await house.start("3")
    await until(lambda: third._switchboard.gatekeeper._pages)  # told when it is linked
    assert (await sign_in(third))[1] == 403
    page.close()  # it may come back anywhere
    await until(lambda: known(one, "201")[0].lost_at is not None)
    assert (await sign_in(one))[1] == 200
