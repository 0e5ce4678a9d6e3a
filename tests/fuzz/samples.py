"""What each typed header looks like when all is well: where its fuzzing begins. A new one needs a row."""

HEADERS: dict[str, tuple[bytes, ...]] = {
    "Uri": (
        b"sip:alice@example.com", b"sips:bob:pw@[2001:db8::1]:5061;transport=tls;lr?Subject=a&Priority=b",
        b"tel:+358-555-1234567;postd=pp22",
        b"sip:%61lice@EXAMPLE.com;maddr=239.255.255.1;ttl=15;method=REGISTER",
        b"sip:201@192.0.2.1;gr=urn:uuid:f81d4fae", b"sip:atlanta.com;ob?Replaces=a%40b%3Bto-tag%3D1",
    ),
    "NameAddr": (
        b'"Alice \\"A\\" <1>" <sip:alice@example.com;lr>;tag=9fxced76sl;q=0.5', b"sip:bob@example.com;tag=1",
        b"Bob, no quotes <sip:bob@192.0.2.4>;expires=60", b"<sip:p1.example.com;lr>",
        b'<sip:201@192.0.2.1:5060>;+sip.instance="<urn:uuid:00000000-0000-1000>";reg-id=1',
    ),
    "Via": (
        b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK87asdks7;rport;received=192.0.2.2",
        b"SIP / 2.0 / WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
        b"SIP/2.0/TCP [2001:db8::9]:5061;ttl=1",
    ),
    "CSeq": (b"4711 INVITE", b"0009\t REGISTER", b"2147483647 ACK"),
    "Replaces": (
        b"425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only", b"a;from-tag=1;to-tag=2",
    ),
    "SessionExpires": (b"1800;refresher=uac", b"90", b"4000 ; refresher=UAS;x=y"),
    "MinSE": (b"90", b"3600;lr"),
    "RAck": (b"776656 1 INVITE", b"1 2147483647 UPDATE"),
    "ReferTo": (
        b"<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
        b"sip:carol@cleveland.example.org;method=SUBSCRIBE",
        b"<sip:a@b;method=INVITE?Subject=x&Accept-Contact=y>",
    ),
    "ReferredBy": (
        b'<sip:referrer@referrer.example>;cid="20398823.2UWQFN309shb3@referrer.example"', b"sip:a@b",
    ),
    "Join": (b"12adf2f34456gs5;to-tag=12345;from-tag=54321", b"a@b;from-tag=1;to-tag=2"),
    "TargetDialog": (b"fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544",),
    "Reason": (
        b'Q.850 ;cause=16 ;text="Terminated"', b'SIP;cause=580;text="Precondition \\"Failure\\""',
        b"Preemption",
    ),
    "Diversion": (
        b'"Bob" <sip:201@192.0.2.1>;reason=user-busy;counter=1;privacy=off;screen=no', b"<tel:+1555>",
    ),
    "HistoryInfo": (
        b"<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1.1;rc=1",
        b'"Bob" <sip:bob@example.com>;index=1.2.1;mp=1.2', b"<sip:UserA@ims.example.com>;index=1;foo=bar",
    ),
    "Event": (b"presence.winfo;id=77", b"refer;id=93809824", b"dialog; include-session-description", b"talk"),
    "SubscriptionState": (b"active;expires=3600", b"terminated;reason=noresource;retry-after=10", b"pending"),
    "RetryAfter": (b"120 (I'm in a meeting)", b"18000;duration=3600", b"5 (a (b) \\) c);duration=1"),
    "MaxBreadth": (b"60", b"1"),
    "Privacy": (b"id;critical", b"none", b"header , session;user"),
    "Timestamp": (b"54.21 .3", b"1700000000"),
    "Challenge": (
        b'Digest realm="lab.example", nonce="abc==", algorithm=MD5, qop="auth,auth-int", opaque=o, stale=1',
        b'Digest realm="a \\"b\\"", nonce="84a4", algorithm=SHA-512-256', b"Digest nonce=n,realm=r",
    ),
    "Credentials": (
        b'Digest username="200", realm="lab.example", nonce="abc", uri="sip:a@b", response="ab12", '
        b'algorithm=SHA-256, cnonce="c", nc=00000001, qop=auth, opaque="o"',
        b'Digest username="Mufasa", realm="lab.example", nonce="f84f", uri="sip:a", response="75872452"',
    ),
}  # fmt: skip

_SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\n"
_PART = b"\r\nContent-Type: application/sdp\r\n\r\n" + _SDP + b"\r\n"
_OTHER = b"\r\nc: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\nhello\r\n"
_INNER = (
    b"\r\nContent-Type: multipart/alternative;boundary=y\r\n\r\n--y" + _OTHER + b"--y" + _PART + b"--y--\r\n"
)
#: bodies of several parts, each behind a line that is its Content-Type
BODIES = (
    b'multipart/mixed; boundary="x"\n--x' + _PART + b"--x" + _OTHER + b"--x--\r\n",
    b"multipart/related;boundary=x\npreamble\r\n--x" + _INNER + b"--x-- epilogue",
    b"multipart/mixed;boundary=x\n--x \t" + _OTHER + b"--x--",
    b"application/sdp\n" + _SDP,
)
