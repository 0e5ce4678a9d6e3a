"""What the values of real descriptions are."""

import gc
from pathlib import Path

import pytest

from ucplatform import sdp

DATA = Path(__file__).parents[1] / "data" / "sdp"


def load(name: str) -> sdp.Session:
    return sdp.parse((DATA / f"{name}.sdp").read_bytes())


def test_chromium_offer():
    session = load("chromium_offer_audio")
    (audio,) = session.media
    assert session.origin == sdp.Origin("-", 4045362664772366387, 2, "IN", "IP4", "127.0.0.1")
    assert session.groups == [("BUNDLE", ["0"])]
    assert (audio.kind, audio.proto, audio.mid) == ("audio", "UDP/TLS/RTP/SAVPF", "0")
    assert [codec.rtpmap for codec in audio.codecs] == [
        "opus/48000/2", "red/48000/2", "G722/8000", "PCMU/8000", "PCMA/8000", "CN/8000",
        "telephone-event/48000", "telephone-event/8000",
    ]  # fmt: skip
    opus = audio.codecs[0]
    assert opus.parameters == {"minptime": "10", "useinbandfec": "1"}
    assert opus.feedback == ("transport-cc",)
    assert sdp.ice_of(audio) == sdp.IceCredentials("AEAc", "cvMNE8LVhggsY1QdRX+8qXXd")
    assert sdp.setup_of(audio) == "actpass"
    assert [print.algorithm for print in sdp.fingerprints_of(audio)] == ["sha-256"]
    assert audio.has("rtcp-mux") and sdp.RtcpAddress.parse(audio.get("rtcp") or "").port == 9


def test_chromium_candidates_round_trip():
    (audio,) = load("chromium_offer_audio").media
    values = audio.all("candidate")
    assert len(values) == 8
    for value in values:
        assert str(sdp.Candidate.parse(value)) == value
    first = sdp.Candidate.parse(values[0])
    assert (first.component, first.transport, first.port, first.type) == (1, "udp", 42232, "host")
    assert dict(first.extensions)["network-cost"] == "50"
    assert ("tcptype", "active") in sdp.Candidate.parse(values[4]).extensions


def test_chromium_video_has_bundled_lines():
    audio, video = load("chromium_offer_video").media
    assert (audio.mid, video.mid) == ("0", "1")
    names = {codec.name for codec in video.codecs}
    assert {"VP8", "H264", "rtx"} <= names
    vp8 = next(codec for codec in video.codecs if codec.name == "VP8")
    assert "nack pli" in vp8.feedback and vp8.key == ("vp8", 90000, 1)


def test_baresip_offer():
    audio, video = load("baresip_offer").media
    assert [codec.name for codec in audio.codecs] == ["PCMU", "PCMA", "opus", "G722", "telephone-event"]
    assert audio.connection == sdp.Connection("IN", "IP4", "192.0.2.2")
    assert audio.codecs[-1].parameters == {"": "0-15"}
    # rtcp-fb:* belongs to every codec.
    assert all(codec.feedback == ("nack pli",) for codec in video.codecs)
    assert video.get("content") == "main"


def test_room_system_keeps_what_others_drop():
    session = load("polycom_group_bfcp_content")
    assert [part.kind for part in session.media] == ["audio", "video", "application", "video", "application"]
    bfcp = session.media[2]
    assert (bfcp.proto, bfcp.formats, bfcp.codecs) == ("TCP/BFCP", ["*"], [])
    assert bfcp.get("floorid") == "1 mstrm:12"
    assert session.media[3].get("content") == "slides"
    assert session.bandwidth == {"AS": 4096} and session.media[1].bandwidth == {"TIAS": 4096000}
    sirens = [codec for codec in session.media[0].codecs if codec.name == "G7221"]
    assert [(codec.clock, codec.fmtp) for codec in sirens] == [
        (32000, "bitrate=48000"),
        (16000, "bitrate=32000"),
    ]


def test_crypto_stays_raw():
    audio = load("cisco_room_udp_bfcp_srtp").media[0]
    first, second = audio.all("crypto")
    assert first.startswith("1 AES_CM_128_HMAC_SHA1_80 inline:") and second.endswith("UNENCRYPTED_SRTCP")


def test_session_level_attributes_are_inherited():
    (audio,) = load("linphone_ice_dtls").media
    assert sdp.ice_of(audio) == sdp.IceCredentials("9f2be1c7", "31ec21eb38b2ec6d36e8dc7b")
    (fingerprint,) = sdp.fingerprints_of(audio)
    assert fingerprint.algorithm == "sha-256" and fingerprint.digest.startswith("AB:9B:F0")
    assert audio.connection == sdp.Connection("IN", "IP6", "2001:db8::17")
    reflexive = sdp.Candidate.parse(audio.all("candidate")[2])
    assert (reflexive.type, reflexive.related_address, reflexive.related_port) == (
        "srflx",
        "192.0.2.17",
        7078,
    )


def test_static_payload_types_need_no_rtpmap():
    (audio,) = load("old_hold_null_address").media
    assert audio.codecs == [sdp.Codec(0, "PCMU", 8000)]
    assert [codec.name for codec in load("sdes_rtp_savp_optional").media[1].codecs] == [
        "G722", "PCMA", "PCMU", "telephone-event",
    ]  # fmt: skip


def test_user_name_with_blanks_in_the_origin():
    origin = load("old_hold_null_address").origin
    assert origin is not None and (origin.username, origin.session_id) == ("Cisco SIP Phone", 24131)


def test_unknown_lines_and_broken_attributes_are_kept_and_not_understood():
    session = load("odd_but_legal")
    (audio,) = session.media
    assert [line.kind for line in session.lines] == list("vosixtrzka")
    assert [codec.payload for codec in audio.codecs] == [0]
    assert audio.connection == sdp.Connection("IN", "IP4", "224.2.1.1", "/127/3")
    assert audio.bandwidth == {"X-YZ": 128}


def test_ports_and_octets_of_a_latin1_description():
    (audio,) = load("latin1_bare_lf").media
    assert (audio.port, audio.port_count) == (4000, 2)
    assert (audio.get("x-site") or "").encode("utf-8", "surrogateescape") == b"M\xfcnchen"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("snom_hold", [("audio", "sendonly")]),
        ("old_hold_null_address", [("audio", "sendonly")]),
        ("fax_t38", [("audio", "inactive"), ("image", "sendrecv")]),
        ("chromium_offer_audio", [("audio", "sendrecv")]),
    ],
)
def test_directions(name: str, expected: list[tuple[str, str]]):
    assert sdp.media_directions(str(load(name))) == expected


def test_hold_in_both_its_forms():
    held = {path.stem for path in DATA.glob("*.sdp") if sdp.is_hold(path.read_bytes())}
    assert held == {"snom_hold", "old_hold_null_address", "latin1_bare_lf"}


def test_null_address_with_ice_is_no_hold():
    session = load("chromium_offer_audio")
    (audio,) = session.media
    audio.set_connection(sdp.Connection.to("0.0.0.0"))
    assert audio.session is not None and not sdp.is_hold(str(session))


def test_a_media_part_inherits_what_the_session_gets_later():
    session = load("chromium_offer_audio")
    (audio,) = session.media
    session.set("setup", "holdconn")
    session.remove("setup")
    session.add("x-later", "yes")
    assert audio.inherited("x-later") == "yes"


def test_a_description_leaves_nothing_to_the_cyclic_collector():
    """Each call has several; the collector would stop all others while it looks for them."""
    gc.collect()
    gc.disable()
    try:
        for path in DATA.glob("*.sdp"):
            str(sdp.parse(path.read_bytes()))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_direction_is_inherited_from_the_session():
    text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=recvonly\r\nm=audio 9 RTP/AVP 0\r\n"
    session = sdp.parse(text)
    assert session.media[0].direction == "recvonly"
    session.media[0].direction = "sendrecv"
    assert session.media[0].direction == "sendrecv"
    assert str(session).endswith("m=audio 9 RTP/AVP 0\r\na=sendrecv\r\n")
