"""Logins whose certificates are looked up with real OCSP and CRL services."""

from __future__ import annotations

import datetime
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from agent import relyingparty as rp
from agent.relyingparty.fetching import FEDERAL_HOSTS, is_public
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.login import NONCE, ORIGIN, Attempt
from tests.agent.relyingparty.services import (
    HOUR,
    Handler,
    Services,
    responder,
    send,
    serving,
)

BOTH = ["POST /ocsp/root", "POST /ocsp/ca"]


@pytest.fixture
def services() -> Iterator[Services]:
    """Services that everybody's certificate names, OCSP and CRL."""
    with serving() as running:
        yield running


@pytest.fixture
def lists() -> Iterator[Services]:
    """Services of CAs that publish CRLs alone."""
    with serving(kinds=("crl",)) as running:
        yield running


def checker(services: Services, **options: Any) -> rp.OnlineRevocation:
    """Return what asks these services, and may."""
    options = {"hosts": [services.name], "allow_private": True, **options}
    return rp.OnlineRevocation(rp.HttpFetcher(**options))


def log_in(
    services: Services, revocation: rp.OnlineRevocation | None = None, **options: Any
) -> rp.Identity:
    """Log in with the card of the holder."""
    attempt = Attempt(
        holder=services.holder,
        issuer=services.ca.pair.cert,
        options={"revocation": revocation or checker(services), **options},
    )
    return attempt.validator().validate(attempt.token(), NONCE)


def serial(pair: pki.Pair) -> int:
    """Return a certificate's number."""
    return pair.cert.serial_number


def test_a_good_certificate_logs_in_and_its_ca_was_asked_about_too(
    services: Services,
) -> None:
    """OCSP alone is asked, for the CA and then for the holder."""
    identity = log_in(services)
    assert identity.national_number == pki.NATIONAL_NUMBER
    assert identity.revocation_checked is True
    assert services.asked == BOTH


def test_crls_are_asked_where_there_is_no_ocsp(lists: Services) -> None:
    """One of each authority."""
    assert log_in(lists).revocation_checked is True
    assert lists.asked == ["GET /crl/root", "GET /crl/ca"]


@pytest.mark.parametrize("kind", ["services", "lists"])
def test_a_revoked_certificate_is_refused(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """By OCSP and by CRL, also while a CRL of OCSP's would be good."""
    running: Services = request.getfixturevalue(kind)
    running.ca.revoked.add(serial(running.holder))
    with pytest.raises(rp.CertificateRevoked) as refusal:
        log_in(running)
    assert str(refusal.value) == "The certificate was revoked"


@pytest.mark.parametrize("kind", ["services", "lists"])
def test_a_revoked_ca_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    """And the holder is not asked about."""
    running: Services = request.getfixturevalue(kind)
    running.root.revoked.add(serial(running.ca.pair))
    with pytest.raises(rp.CertificateRevoked, match="issuer"):
        log_in(running)
    assert len(running.asked) == 1


def test_a_certificate_that_the_responder_does_not_know_is_refused(
    services: Services,
) -> None:
    """A CRL, on which it does not stand, is no way around."""
    services.ca.unknown.add(serial(services.holder))
    with pytest.raises(rp.RevocationUnknown):
        log_in(services)
    assert services.asked == BOTH


@pytest.mark.parametrize("kind", ["services", "lists"])
@pytest.mark.parametrize(
    ("made", "ends", "refusal"),
    [
        (-48 * HOUR, -24 * HOUR, rp.RevocationStale),
        (24 * HOUR, 48 * HOUR, rp.RevocationUnavailable),
    ],
    ids=["stale", "of the future"],
)
def test_answers_of_another_time_are_refused(
    kind: str,
    made: datetime.timedelta,
    ends: datetime.timedelta,
    refusal: type[rp.RevocationError],
    request: pytest.FixtureRequest,
) -> None:
    """An old answer says nothing of today."""
    running: Services = request.getfixturevalue(kind)
    running.ca.made, running.ca.ends = pki.NOW + made, pki.NOW + ends
    with pytest.raises(refusal):
        log_in(running)


def test_a_responder_named_by_the_ca_is_believed(services: Services) -> None:
    """Its certificate comes with the answer, for OCSP signing, issued by that CA."""
    services.ca.responder = responder(services.ca.pair)
    assert log_in(services).revocation_checked is True


def test_a_responder_without_the_mark_of_no_check_is_looked_up_itself(
    services: Services,
) -> None:
    """Where its certificate names nobody to ask it is not believed."""
    services.instead["/crl/ca"] = lambda handler: send(handler, b"", 404)
    services.ca.responder = responder(services.ca.pair, no_check=False)
    with pytest.raises(rp.RevocationUnavailable):
        log_in(services)


def strangers_responder(services: Services) -> pki.Pair:
    """A responder of a CA with the same name and another key."""
    subject = services.ca.pair.cert.subject
    other = pki.ca(subject, pki.root(), ca_key=pki.key("other"))
    return responder(other)


WRONG_SIGNERS: list[tuple[str, Callable[[Services], pki.Pair]]] = [
    ("another CA's responder", strangers_responder),
    ("the holder", lambda services: services.holder),
    ("no OCSP purpose", lambda s: responder(s.ca.pair, purpose=False)),
    ("the root", lambda _: pki.root()),
    (
        "expired",
        lambda s: responder(s.ca.pair, start=pki.NOW - pki.YEAR, end=pki.NOW - HOUR),
    ),
    (
        "another key",
        lambda s: replace(responder(s.ca.pair), key=pki.key("other")),
    ),
]


@pytest.mark.parametrize(
    "signer", [s for _, s in WRONG_SIGNERS], ids=[name for name, _ in WRONG_SIGNERS]
)
def test_an_answer_of_a_wrong_signer_is_not_believed(
    services: Services, signer: Callable[[Services], pki.Pair]
) -> None:
    """Without it the CRL counts; without that nobody logs in."""
    services.ca.responder = signer(services)
    assert log_in(services).revocation_checked is True
    assert services.asked[-1] == "GET /crl/ca"
    services.ca.crl_signer = replace(services.ca.pair, key=pki.key("other"))
    with pytest.raises(rp.RevocationUnavailable):
        log_in(services)


def test_a_list_signed_with_sha1_is_not_believed(
    lists: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library judges certificates' algorithms and not those of lists."""
    monkeypatch.setattr(lists.ca, "crl", lambda: sha1_list(lists))
    with pytest.raises(rp.RevocationUnavailable, match="weak"):
        log_in(lists)


def sha1_list(lists: Services) -> bytes:
    """Return the CA's list as one with SHA-1, which `cryptography` does not make."""
    from asn1crypto import crl
    from cryptography.hazmat.primitives.asymmetric import ec

    parsed = crl.CertificateList.load(type(lists.ca).crl(lists.ca))
    tbs = parsed["tbs_cert_list"]
    tbs["signature"] = {"algorithm": "sha1_ecdsa"}
    key = lists.ca.pair.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    content = tbs.dump(force=True)
    return crl.CertificateList(
        {
            "tbs_cert_list": crl.TbsCertList.load(content),
            "signature_algorithm": {"algorithm": "sha1_ecdsa"},
            "signature": key.sign(content, ec.ECDSA(hashes.SHA1())),
        }
    ).dump()


def test_an_answer_about_another_certificate_is_not_believed(
    services: Services,
) -> None:
    """Even a good one, rightly signed."""
    other = pki.holder(services.ca.pair)
    services.ca.issued[serial(services.holder)] = other.cert
    services.instead["/crl/ca"] = lambda handler: send(handler, b"", 404)
    with pytest.raises(rp.RevocationUnavailable):
        log_in(services)


def drip(handler: Handler) -> None:
    """Send a byte now and then, without end."""
    handler.send_response(200)
    handler.end_headers()
    _drip(handler)


def headers_that_drip(handler: Handler) -> None:
    """The same before the first header is complete."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(handler)


def _drip(handler: Handler) -> None:
    done = threading.Event()
    while not done.wait(0.02):
        try:
            handler.wfile.write(b"0")
            handler.wfile.flush()
        except OSError:
            done.set()


def too_large_and_unannounced(handler: Handler) -> None:
    """More than an OCSP answer may have, with no length before it."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(bytes(70_000))


def silent(handler: Handler) -> None:
    """Answer nothing until the other end has gone."""
    handler.rfile.read(1)


USELESS: list[tuple[str, Callable[[Handler], Any], str]] = [
    ("status 500", lambda h: send(h, b"", 500), "status 500"),
    ("redirect", lambda h: send(h, b"", 302, Location="/ocsp/elsewhere"), "redirects"),
    ("too large", lambda h: send(h, bytes(70_000)), "too large"),
    ("too large, unannounced", too_large_and_unannounced, "too large"),
    ("slow", drip, "in time"),
    ("slow headers", headers_that_drip, "in time"),
    ("silent", silent, "in time"),
    ("no HTTP", lambda h: h.wfile.write(b"SSH-2.0\r\n"), "form of HTTP"),
    ("hung up", lambda h: None, "."),
    ("garbage", lambda h: send(h, b"\x30\x80garbage"), "without use"),
    ("empty", lambda h: send(h, b""), "without use"),
    ("try later", lambda h: send(h, bytes.fromhex("30030a0103")), "without use"),
]


@pytest.mark.parametrize(
    ("answer", "words"), [row[1:] for row in USELESS], ids=[row[0] for row in USELESS]
)
def test_a_service_of_no_use_is_replaced_by_the_list_or_refuses(
    services: Services, answer: Callable[[Handler], Any], words: str
) -> None:
    """The reason stands in the refusal; no other address is asked."""
    services.instead["/ocsp/ca"] = answer
    asking = checker(services, timeout=0.5)
    log_in(services, asking)
    assert services.asked == [*BOTH, "GET /crl/ca"]
    services.instead["/crl/ca"] = lambda handler: send(handler, b"", 404)
    with pytest.raises(rp.RevocationUnavailable, match=f"OCSP.*{words}.*CRL.*404"):
        log_in(services, checker(services, timeout=0.5))
    assert "GET /ocsp/elsewhere" not in services.asked


def test_who_answers_too_slowly_is_hung_up_on(services: Services) -> None:
    """Nothing of it stays behind, which many logins would pile up."""
    gone = threading.Event()

    def drip_until_gone(handler: Handler) -> None:
        drip(handler)
        gone.set()

    services.instead["/ocsp/ca"] = drip_until_gone
    log_in(services, checker(services, timeout=0.5))
    assert gone.wait(10)


class Changed:
    """A portal's own fetcher, on a line where somebody changes what the CA says."""

    def __init__(self, services: Services, change: Callable[[bytes], bytes]) -> None:
        self._inner = rp.HttpFetcher([services.name], allow_private=True)
        self._change = change

    def fetch(self, url: str, *, limit: int, request: bytes | None = None) -> bytes:
        body = self._inner.fetch(url, limit=limit, request=request)
        return self._change(body) if url.endswith("/ca") else body


def test_an_answer_with_a_hash_that_nobody_knows_is_refused() -> None:
    """The library's own exception would have been an AttributeError."""
    sha1, other = bytes.fromhex("2b0e03021a"), bytes.fromhex("2b0e03027a")
    with serving(kinds=("ocsp",)) as running:
        fetcher = Changed(running, lambda body: body.replace(sha1, other))
        with pytest.raises(rp.RevocationUnavailable, match="cannot be read"):
            log_in(running, rp.OnlineRevocation(fetcher))


@pytest.mark.parametrize("kind", ["ocsp", "crl"])
def test_no_change_of_an_answer_hides_a_revocation(kind: str) -> None:
    """Whatever byte is another, a revoked certificate stays out, by our refusal."""
    chosen = random.Random(kind)  # noqa: S311  (the same each time)

    def change(body: bytes) -> bytes:
        changed = bytearray(body)
        changed[chosen.randrange(len(body))] = chosen.choice([0, 0x30, 0x80, 0xFF])
        return bytes(changed[: chosen.choice([len(body), len(body), -1])])

    with serving(kinds=(kind,)) as running:
        running.ca.revoked.add(serial(running.holder))
        chain = (running.holder.cert, running.ca.pair.cert, pki.root().cert)
        for _ in range(100):
            asking = rp.OnlineRevocation(Changed(running, change))
            with pytest.raises(rp.RevocationError):
                asking.check(chain, pki.NOW)


def test_a_list_that_is_too_large_is_refused(lists: Services) -> None:
    """Ten mebibytes are enough for any."""
    lists.instead["/crl/ca"] = lambda handler: (
        handler.send_response(200),
        handler.send_header("Content-Length", str(11 << 20)),
        handler.end_headers(),
    )
    with pytest.raises(rp.RevocationUnavailable, match="too large"):
        log_in(lists)


def test_services_that_cannot_be_reached_refuse() -> None:
    """Nobody logs in because a network is down."""
    with serving() as gone:
        pass
    with pytest.raises(rp.RevocationUnavailable, match="cannot be reached"):
        log_in(gone)


def test_a_host_that_is_not_listed_is_not_asked(services: Services) -> None:
    """By default the Federal PKI's alone are."""
    with pytest.raises(rp.RevocationUnavailable, match="listed"):
        log_in(services, rp.OnlineRevocation())
    with pytest.raises(rp.RevocationUnavailable, match="listed"):
        log_in(services, checker(services, hosts=["127.0.0.1"]))
    assert services.asked == []
    assert all(host.endswith(".belgium.be") for host in FEDERAL_HOSTS)


def test_a_listed_name_with_a_private_address_is_not_asked() -> None:
    """A name on the list may lead inward, by mistake or by another's doing."""
    with serving(host="localhost") as inward:
        asking = checker(inward, allow_private=False)
        with pytest.raises(rp.RevocationUnavailable, match="public address"):
            log_in(inward, asking)
        assert inward.asked == []
        log_in(inward)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255"),  # noqa: S104
        *("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::10.0.0.1", "2002:a00:1::1", "::127.0.0.1", "fec0::1"),
        *("::ffff:0:10.0.0.1", "64:ff9b:1::10.0.0.1", "4000::1"),
    ],
)
def test_addresses_of_inside_are_not_public(address: str) -> None:
    """However they are written."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["193.191.208.1", "2a00::1", "64:ff9b::c1bf:d001"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    """Those that a Federal host may have."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("https://HOST/", "ldap://HOST/", "file:///etc/passwd", "HOST"),
        *("http://user@HOST/", "http:///", "http://HOST:99999/", "http://[::1]/"),
        *("http://HOST.evil.example/", "http://HOST\\@evil.example/"),
        *("http://HOST/a b", "http://HOST/\r\nX: y", "http://HOST/é"),
    ],
)
def test_addresses_of_another_form_are_not_asked(services: Services, url: str) -> None:
    """Only plain HTTP to a listed name, with nothing beside it."""
    fetcher = rp.HttpFetcher([services.name], allow_private=True)
    with pytest.raises(OSError, match=r"."):
        fetcher.fetch(url.replace("HOST", services.name), limit=10)
    assert services.asked == []


def test_nobody_is_asked_about_a_chain_that_was_not_built(services: Services) -> None:
    """A stranger's certificate makes nobody fetch anything (SAFETY 11)."""
    attempt = Attempt(
        holder=services.holder,
        issuer=services.ca.pair.cert,
        trusted=(pki.root("RSA-2048").cert,),
        options={"revocation": checker(services)},
    )
    with pytest.raises(rp.RootUnknown):
        attempt.run()
    assert services.asked == []


def test_a_certificate_that_names_nobody_to_ask_is_refused() -> None:
    """Nothing can be known of it."""
    with (
        serving(kinds=()) as silent_pki,
        pytest.raises(rp.RevocationUnavailable, match="no address to ask"),
    ):
        log_in(silent_pki)


def test_good_answers_are_used_again_for_ten_minutes(services: Services) -> None:
    """Two logins in that time ask once, the next asks anew."""
    now = [pki.NOW]
    asking = checker(services)
    for minutes, exchanges in ((0, 2), (9, 2), (10, 4), (11, 4)):
        now[0] = pki.NOW + datetime.timedelta(minutes=minutes)
        log_in(services, asking, now=lambda: now[0])
        assert len(services.asked) == exchanges


def test_an_answer_is_not_used_beyond_its_own_end(lists: Services) -> None:
    """Which may come before the ten minutes."""
    minute = datetime.timedelta(minutes=1)
    asking = checker(lists)
    lists.ca.ends = pki.NOW + 2 * minute
    log_in(lists, asking)
    lists.ca.ends = pki.NOW + HOUR
    log_in(lists, asking, now=lambda: pki.NOW + minute)
    assert lists.asked.count("GET /crl/ca") == 1
    log_in(lists, asking, now=lambda: pki.NOW + 3 * minute)
    assert lists.asked.count("GET /crl/ca") == 2
    assert lists.asked.count("GET /crl/root") == 1


def test_what_led_to_a_refusal_is_not_kept(services: Services) -> None:
    """A suspension that ended, or a forged answer, does not last beyond its login."""
    asking = checker(services)
    services.ca.revoked.add(serial(services.holder))
    with pytest.raises(rp.CertificateRevoked):
        log_in(services, asking)
    services.ca.revoked.clear()
    log_in(services, asking)
    assert services.asked == [*BOTH, *BOTH]


def test_an_anchor_is_not_asked_about(services: Services) -> None:
    """A portal that trusts the issuing CA itself has decided."""
    attempt = Attempt(
        holder=services.holder,
        issuer=None,
        trusted=(services.ca.pair.cert,),
        options={"revocation": checker(services)},
    )
    attempt.validator().validate(attempt.token(), NONCE)
    assert services.asked == ["POST /ocsp/ca"]


def test_refusals_hold_no_word_of_the_holder(services: Services) -> None:
    """They go to logs; the library's own texts name the person."""
    for path in ("/ocsp/ca", "/crl/ca"):
        services.instead[path] = lambda handler: send(handler, b"", 503)
    with pytest.raises(rp.RevocationUnavailable) as refusal:
        log_in(services)
    text = str(refusal.value)
    assert pki.NATIONAL_NUMBER not in text
    assert "Peeters" not in text
    assert "503" in text


async def test_inside_an_event_loop_it_works_from_a_thread(services: Services) -> None:
    """As the documentation says; and it needs no loop of its own."""
    import asyncio

    assert (await asyncio.to_thread(log_in, services)).revocation_checked
    assert log_in(services).revocation_checked


def test_by_default_the_federal_services_are_asked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validator that was told nothing asks; here nobody has such a name."""
    looked_up: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    federal = Services(80, host="ocsp.eid.belgium.be", kinds=("ocsp",))
    monkeypatch.setattr(Services, "name", "ocsp.eid.belgium.be")
    federal.build()
    attempt = Attempt(holder=federal.holder, issuer=federal.ca.pair.cert)
    validator = rp.TokenValidator(ORIGIN, attempt.trusted, now=pki.clock)
    with pytest.raises(rp.RevocationUnavailable):
        validator.validate(attempt.token(), NONCE)
    assert looked_up == ["ocsp.eid.belgium.be"]
