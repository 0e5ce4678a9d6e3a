from dataclasses import replace

import pytest

from ucplatform.sip.digest import (
    Challenge,
    Credentials,
    NonceIssuer,
    Verdict,
    authorize,
    find_challenge,
    find_credentials,
    ha1,
    verify,
)
from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.headers import Headers

RFC2617 = (
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
    'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
# RFC 7616 section 3.9.1
RFC7616 = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
    'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
# RFC 7616 section 3.9.2 as corrected by erratum 4897
RFC7616_SHA512 = (
    'Digest username="Jäsøn Doe", realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256, '
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, '
    'cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, '
    'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", '
    'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"'
)


def test_example_of_rfc_2617() -> None:
    credentials = Credentials.parse(RFC2617)
    secret = ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert verify(credentials, "GET", secret)
    assert not verify(credentials, "POST", secret)
    assert not verify(credentials, "GET", ha1("Mufasa", "testrealm@host.com", "circle of life"))


def test_example_of_rfc_7616() -> None:
    credentials = Credentials.parse(RFC7616)
    assert verify(credentials, "GET", ha1("Mufasa", "http-auth@example.org", "Circle of Life", "SHA-256"))
    assert not verify(credentials, "GET", ha1("Mufasa", "http-auth@example.org", "Circle of Life", "MD5"))


def test_example_of_rfc_7616_with_sha_512_256() -> None:
    """RFC 8760: SHA-512-256 is a function of its own, not SHA-512 cut short."""
    credentials = Credentials.parse(RFC7616_SHA512)
    secret = ha1("Jäsøn Doe", "api@example.org", "Secret, or not?", "SHA-512-256")
    assert verify(credentials, "GET", secret)
    assert not verify(credentials, "POST", secret)


@pytest.mark.parametrize("algorithm", ["MD5-SESS", "SHA-256-SESS"])
def test_session_algorithms_hash_the_secret_with_nonce_and_cnonce(algorithm: str) -> None:
    """RFC 7616 section 3.4.2; the stored form is that of the algorithm without -sess."""
    secret = ha1("u", "r", "p", algorithm)
    assert secret == ha1("u", "r", "p", algorithm.removesuffix("-SESS"))
    challenge = Challenge.parse(f'Digest realm="r", nonce="n", qop="auth", algorithm={algorithm.lower()}')
    credentials = authorize(challenge, "INVITE", "sip:h", "u", "p", "c")
    assert verify(credentials, "INVITE", secret)
    assert not verify(replace(credentials, cnonce="d"), "INVITE", secret)
    without = Credentials.parse(str(credentials).replace(", qop=auth, nc=00000001", ""))
    assert not verify(without, "INVITE", secret)


def test_the_topmost_challenge_that_we_can_answer_counts() -> None:
    """RFC 8760 section 2.4"""
    values = [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=SHA3, qop="auth"',
        'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth-int"',
        'Digest realm="r", nonce="n", algorithm=MD5-sess',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth,auth-int"',
        'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"',
    ]
    headers = Headers([("WWW-Authenticate", value) for value in values])
    found = find_challenge(headers, "WWW-Authenticate")
    assert found is not None and found.algorithm == "SHA-512-256"
    assert find_challenge(Headers([("WWW-Authenticate", values[2])]), "WWW-Authenticate") is None
    assert find_challenge(headers, "Proxy-Authenticate") is None


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("qop", ["auth", "auth-int, auth", ""])
def test_both_ends(algorithm: str, qop: str) -> None:
    challenge = Challenge('exa"mple', "abc", algorithm, qop, opaque="o\\paque")
    assert Challenge.parse(str(challenge)) == challenge
    credentials = authorize(challenge, "INVITE", "sip:201@h", "Zoë", "päss", "cn", 11)
    assert Credentials.parse(str(credentials)) == credentials
    assert credentials.nc == (11 if qop else None)
    assert verify(credentials, "INVITE", ha1("Zoë", 'exa"mple', "päss", algorithm))
    assert not verify(credentials, "BYE", ha1("Zoë", 'exa"mple', "päss", algorithm))


def test_auth_int_covers_the_body() -> None:
    credentials = Credentials("a", "r", "n", "sip:h", "", qop="auth-int", cnonce="c", nc=1)
    assert not verify(credentials, "INVITE", "00", b"body")
    good = Credentials("a", "r", "n", "sip:h", AUTH_INT, qop="auth-int", cnonce="c", nc=1)
    assert verify(good, "INVITE", "00", b"body")
    assert not verify(good, "INVITE", "00", b"other")


def test_what_is_not_ours_to_compute() -> None:
    with pytest.raises(UsageError):
        authorize(Challenge("r", "n", "SHA-1"), "INVITE", "sip:h", "u", "p", "c")
    with pytest.raises(UsageError):
        authorize(Challenge("r", "n", "MD5-SESS", qop=""), "INVITE", "sip:h", "u", "p", "c")
    with pytest.raises(UsageError):
        authorize(Challenge("r", "n", qop="auth-int"), "INVITE", "sip:h", "u", "p", "c")
    assert Challenge.parse('Digest realm="r", nonce="n", algorithm=SHA3-256').algorithm == "SHA3-256"
    assert not verify(Credentials("u", "r", "n", "sip:h", "0", "SHA3-256"), "INVITE", "0")
    assert not verify(Credentials("u", "r", "n", "sip:h", "0", qop="auth-conf"), "INVITE", "0")


def test_challenge_as_phones_send_and_read_it() -> None:
    assert str(Challenge("example.com", "abc", stale=True)) == (
        'Digest realm="example.com", nonce="abc", algorithm=MD5, qop="auth", stale=true'
    )
    challenge = Challenge.parse('DIGEST  realm = "a, b=c" ,nonce="n",Stale=TRUE , domain="sip:h"')
    assert (challenge.realm, challenge.nonce, challenge.stale, challenge.qop) == ("a, b=c", "n", True, "")


# H(ha1:n:00000001:c:auth-int:H(INVITE:sip:h:H(body))), computed with md5sum
AUTH_INT = "940ce1323571acc658780fcd8c155c5f"

BASE = 'Digest username="u", realm="r", nonce="n", uri="sip:h", response="0"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        "Digest ",
        "Basic dTpw",
        'Digest username="u"',
        BASE + ",",
        BASE + ', realm="x"',
        BASE + ", =1",
        BASE + ", qop=auth",
        BASE + ", qop=auth, nc=1, cnonce=c",
        BASE + ", nc=0000000g",
        BASE + ", x",
        BASE + ', x="',
        BASE + ', x="y"z',
        BASE + ", algorithm=MD5 x",
        BASE + ', algorithm="a b"',
        BASE + "".join(f", a{n}=1" for n in range(40)),
        BASE + ', x="' + "a" * 5000 + '"',
    ],
)
def test_credentials_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Credentials.parse(text)


def test_find_credentials_looks_for_the_realm() -> None:
    headers = Headers(
        [("Authorization", "Basic x"), ("Authorization", BASE), ("Authorization", BASE.replace('"r"', '"s"'))]
    )
    found = find_credentials(headers, "Authorization", "s")
    assert found is not None and found.realm == "s"
    assert find_credentials(headers, "Authorization", "t") is None
    assert find_credentials(headers, "Proxy-Authorization", "s") is None


def test_nonce_is_good_once_per_count() -> None:
    issuer = NonceIssuer(b"secret")
    nonce = issuer.issue(100.0)
    verdicts = [
        issuer.check(nonce, count, 101.0) for count in (1, 1, 3, 2, 2, 0, -1, 2**32 - 1, 4, 2**32 - 1)
    ]
    good, used = Verdict.GOOD, Verdict.REPLAYED
    assert verdicts == [good, used, good, good, used, used, used, good, used, used]


def test_counts_may_arrive_out_of_order_within_a_window() -> None:
    issuer = NonceIssuer(b"secret")
    nonce = issuer.issue(100.0)
    assert issuer.check(nonce, 100, 101.0) is Verdict.GOOD
    assert issuer.check(nonce, 37, 101.0) is Verdict.GOOD
    assert issuer.check(nonce, 36, 101.0) is Verdict.REPLAYED
    assert issuer.check(nonce, 37, 101.0) is Verdict.REPLAYED


def test_nonce_without_count_works_once() -> None:
    issuer = NonceIssuer(b"secret")
    nonce = issuer.issue(100.0)
    assert [issuer.check(nonce, None, 101.0) for _ in range(2)] == [Verdict.GOOD, Verdict.REPLAYED]


def test_nonce_grows_stale() -> None:
    issuer = NonceIssuer(b"secret", lifetime=60.0)
    nonce = issuer.issue(100.0)
    assert issuer.check(nonce, 1, 160.0) is Verdict.GOOD
    assert issuer.check(nonce, 2, 160.01) is Verdict.STALE
    assert issuer.check(nonce, 3, 99.0) is Verdict.STALE


def test_forged_nonces() -> None:
    issuer = NonceIssuer(b"secret")
    nonce = issuer.issue(100.0)
    other = NonceIssuer(b"another").issue(100.0)
    changed = ("B" if nonce[0] != "B" else "C") + nonce[1:]
    for forged in (other, changed, nonce[:-1], nonce + "AAAA", "", "é", "\udcff", "!" * 40, "=" * 40):
        assert issuer.check(forged, 1, 101.0) is Verdict.FORGED
    assert NonceIssuer(b"secret").check(nonce, 1, 101.0) is Verdict.GOOD


def test_a_nonce_is_good_for_the_peer_it_was_given_to_alone() -> None:
    issuer = NonceIssuer(b"secret", lifetime=60.0)
    nonce = issuer.issue(100.0, "192.0.2.1")
    assert issuer.judge(nonce, 101.0, "192.0.2.1") is Verdict.GOOD
    assert issuer.judge(nonce, 161.0, "192.0.2.1") is Verdict.STALE
    for other in ("192.0.2.11", "192.0.2.2", ""):
        assert issuer.judge(nonce, 101.0, other) is Verdict.FORGED
        assert issuer.check(nonce, 1, 101.0, other) is Verdict.FORGED
    assert issuer.check(nonce, 1, 101.0, "192.0.2.1") is Verdict.GOOD


def test_nonces_are_never_the_same() -> None:
    issuer = NonceIssuer(b"secret")
    assert len({issuer.issue(100.0) for _ in range(1000)}) == 1000


def test_full_memory_makes_stale_and_never_lets_a_replay_through() -> None:
    issuer = NonceIssuer(b"secret", memory=3)
    nonces = [issuer.issue(100.0 + step) for step in range(5)]
    assert [issuer.check(nonce, 1, 110.0) for nonce in nonces] == [Verdict.GOOD] * 5
    verdicts = [issuer.check(nonce, 1, 111.0) for nonce in nonces]
    assert verdicts == [Verdict.STALE] * 2 + [Verdict.REPLAYED] * 3
    assert issuer.check(issuer.issue(112.0), 1, 112.0) is Verdict.GOOD
