"""The scenarios of SIPp against each other, SIPp in the server's place: it challenges and checks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.sipp import SCENARIOS, Sipp, write_rows
from tests.ports import PortBlock

CHALLENGE = """
  <recv request="{method}"/>
  <send {retrans}>
    <![CDATA[
      SIP/2.0 401 Unauthorized
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]challenge[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      WWW-Authenticate: Digest realm="lab", nonce="n[call_number]", algorithm=MD5, qop="auth"
      Content-Length: 0

    ]]>
  </send>
  {ack}
"""
CHECKED = """
  <recv request="{method}">
    <action>
      <verifyauth assign_to="good" username="200" password="secret-200"/>
    </action>
  </recv>
  <nop test="good" next="9"/>
  <nop><action><exec int_cmd="stop_now"/></action></nop>
  <label id="9"/>
"""
GIVES_UP = """
  <recv request="INVITE"/>
  <send><![CDATA[
      SIP/2.0 180 Ringing
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]s[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
      SIP/2.0 480 Temporarily Unavailable
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]s[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>
  <recv request="ACK"/>
</scenario>
"""
REGISTRAR = """
  <recv request="REGISTER"/>
  <send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]s[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      [last_Contact:];expires=600
      Content-Length: 0

  ]]></send>
</scenario>
"""


@pytest.fixture
def server(tmp_path: Path) -> Callable[[str], str]:
    """A scenario that does what a callee's does, after a challenge whose answer it checks."""

    def make(scenario: str) -> str:
        made = {"gives_up": GIVES_UP, "registrar": REGISTRAR}
        text = made.get(scenario) or (SCENARIOS / f"{scenario}.xml").read_text().partition("<scenario")[2]
        if scenario not in made:
            text = text.partition(">")[2]
        method = "REGISTER" if scenario == "registrar" else "INVITE"
        ack = "" if method == "REGISTER" else '<recv request="ACK"/>'
        retrans = "" if method == "REGISTER" else 'retrans="500"'
        challenge = CHALLENGE.format(method=method, ack=ack, retrans=retrans)
        text = text.replace(f'<recv request="{method}"/>', CHECKED.format(method=method), 1)
        path = tmp_path / f"{scenario}_challenging.xml"
        path.write_text(f'<?xml version="1.0"?>\n<scenario name="{scenario}">{challenge}{text}')
        return str(path.with_suffix(""))

    return make


@pytest.mark.parametrize(
    ("caller", "callee"),
    [
        ("register", "registrar"),
        ("caller_talks", "callee_answers"),
        ("caller_cancels", "callee_rings"),
        ("caller_meets_busy", "callee_is_busy"),
        ("caller_waits_in_vain", "gives_up"),
        ("caller_holds", "callee_is_held"),
    ],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_scenarios_fit_each_other(
    tmp_path: Path, ports: PortBlock, server: Callable[[str], str], caller: str, callee: str, transport: str
):
    rows = write_rows(tmp_path / "rows.csv", [("200", "secret-200", "201")])
    with Sipp(tmp_path / "callee", ports, server(callee), calls=20, transport=transport) as uas:
        uas.wait_listening()
        address = f"127.0.0.1:{uas.port}"
        options = {"server": address, "rows": rows, "transport": transport, "seconds": 15}
        with Sipp(tmp_path / "caller", ports, caller, calls=20, **options) as uac:
            uac.wait().assert_all(20)
            uas.wait().assert_all(20)


def test_a_wrong_answer_to_the_challenge_is_seen(
    tmp_path: Path, ports: PortBlock, server: Callable[[str], str]
):
    rows = write_rows(tmp_path / "rows.csv", [("200", "wrong", "201")])
    with Sipp(tmp_path / "callee", ports, server("callee_answers"), calls=1) as uas:
        uas.wait_listening()
        options = {"server": f"127.0.0.1:{uas.port}", "rows": rows, "seconds": 3}
        with Sipp(tmp_path / "caller", ports, "caller_talks", calls=1, **options) as uac:
            assert uac.wait().successful == 0
