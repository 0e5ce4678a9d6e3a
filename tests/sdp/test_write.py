"""Descriptions made from values, and changed in place."""

from pathlib import Path

from ucplatform import sdp
from ucplatform.sdp import build

DATA = Path(__file__).parents[1] / "data" / "sdp"
ORIGIN = sdp.Origin("-", 20, 1, "IN", "IP4", "192.0.2.1")


def test_an_answer_built_from_values():
    session = build.session(ORIGIN, connection="192.0.2.1", attributes=[("group", "BUNDLE 0")])
    opus = sdp.Codec(111, "opus", 48000, 2, "minptime=10", ("transport-cc",))
    audio = build.media(
        "audio", 20000, "UDP/TLS/RTP/SAVPF", [opus, build.static_codec(0)], attributes=[("mid", "0")]
    )
    build.add_ice(audio, sdp.IceCredentials("abcd", "x" * 22), [_candidate(20000)])
    build.add_dtls(audio, [sdp.Fingerprint.parse("SHA-256 " + ":".join(["ab"] * 32))], "passive")
    build.add_rtcp(audio, 20000, mux=True)
    session.append(audio)
    assert str(session).split("\r\n") == [
        "v=0",
        "o=- 20 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 20000 UDP/TLS/RTP/SAVPF 111 0",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10",
        "a=rtcp-fb:111 transport-cc",
        "a=rtpmap:0 PCMU/8000",
        "a=mid:0",
        "a=sendrecv",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:xxxxxxxxxxxxxxxxxxxxxx",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 20000 typ host",
        "a=end-of-candidates",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:passive",
        "a=rtcp:20000",
        "a=rtcp-mux",
        "",
    ]
    assert sdp.parse(str(session)).media[0].codecs == [opus, build.static_codec(0)]


def _candidate(port: int) -> sdp.Candidate:
    return sdp.Candidate("1", 1, "udp", 2130706431, "192.0.2.1", port, "host")


def test_a_refused_line_keeps_its_place_and_its_formats():
    offer = sdp.parse((DATA / "polycom_group_bfcp_content.sdp").read_bytes())
    answer = build.session(ORIGIN, connection="192.0.2.1")
    for part in offer.media:
        answer.append(build.rejected(part))
    assert [str(part.head) for part in answer.media][2:4] == [
        "application 0 TCP/BFCP *",
        "video 0 RTP/AVP 97 96",
    ]
    assert sdp.is_empty(answer) and not sdp.is_empty(offer)


def test_setting_an_attribute_keeps_its_place():
    session = sdp.parse((DATA / "snom_hold.sdp").read_bytes())
    (audio,) = session.media
    before = [name for name, _ in audio.attributes]
    audio.set("ptime", "30")
    audio.direction = "sendrecv"
    after = [name for name, _ in audio.attributes]
    assert after == [name if name != "sendonly" else "sendrecv" for name in before]
    assert audio.get("ptime") == "30"


def test_set_leaves_one_of_several():
    session = sdp.parse((DATA / "cisco_room_udp_bfcp_srtp.sdp").read_bytes())
    audio = session.media[0]
    audio.set("crypto", "1 X inline:Y")
    assert audio.all("crypto") == ["1 X inline:Y"]
    audio.remove("crypto")
    assert not audio.has("crypto")


def test_a_connection_line_goes_where_it_belongs():
    session = sdp.parse((DATA / "yealink_offer.sdp").read_bytes())
    session.media[0].set_connection(sdp.Connection.to("2001:db8::1"))
    assert [line.kind for line in session.media[0].lines][:3] == ["m", "c", "a"]
    assert session.media[0].connection == sdp.Connection("IN", "IP6", "2001:db8::1")
    assert session.connection == sdp.Connection("IN", "IP4", "192.0.2.31")


def test_port_proto_and_formats_can_be_changed():
    session = sdp.parse((DATA / "yealink_offer.sdp").read_bytes())
    (audio,) = session.media
    audio.port, audio.proto, audio.formats = 0, "RTP/SAVP", ["0"]
    assert audio.lines[0] == sdp.Line("m", "audio 0 RTP/SAVP 0")
    assert not audio.active and [codec.name for codec in audio.codecs] == ["PCMU"]
