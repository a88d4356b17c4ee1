"""Login tokens: who gets in, and every way in which nobody does."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from agent import relyingparty as rp
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.login import NONCE, ORIGIN, Attempt, b64, put

# --- who gets in ---------------------------------------------------------------------


def test_a_good_token_tells_who_logged_in() -> None:
    """Number and names come from the certificate, the kind from its issuer."""
    attempt = Attempt()
    identity = attempt.run()
    assert identity.national_number == pki.NATIONAL_NUMBER
    assert identity.surname == "Peeters"
    assert identity.given_names == "Jan Maria"
    assert identity.common_name == "Jan Peeters (Authentication)"
    assert identity.card_kind == "citizen"
    assert identity.certificate == attempt.holder.cert
    assert identity.issuer == pki.citizen_ca().cert
    assert identity.test is False
    assert identity.revocation_checked is False


def test_an_identity_shows_no_personal_data_in_a_log() -> None:
    """Neither repr nor a message of ours names the person."""
    shown = repr(Attempt().run())
    assert pki.NATIONAL_NUMBER not in shown
    assert "Peeters" not in shown


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("ES256", "P-256"),
        ("ES384", "P-384"),
        ("ES512", "P-521"),
        *(
            (f"{family}{bits}", "RSA-2048")
            for family in ("RS", "PS")
            for bits in (256, 384, 512)
        ),
    ],
)
def test_all_nine_algorithms_log_in(algorithm: str, kind: str) -> None:
    """Web eID's validators accept nine names; 1.8 uses ES384, 1.7 RS256."""
    holder = pki.holder(pki.citizen_ca(), kind=kind)
    assert Attempt(holder=holder, algorithm=algorithm).run().card_kind == "citizen"


def test_an_rsa_holder_under_ec_authorities_logs_in() -> None:
    """Re-keyed 1.7 cards: RSA keys, certificates by EC authorities."""
    holder = pki.holder(pki.citizen_ca("P-384"), kind="RSA-2048")
    Attempt(holder=holder, algorithm="RS256").run()


def test_a_foreigner_logs_in() -> None:
    """The issuer's name says which kind of card it is."""
    foreigner = pki.ca(pki.name(C="BE", CN="Foreigner CA"), pki.root())
    identity = Attempt(holder=pki.holder(foreigner), issuer=foreigner.cert).run()
    assert identity.card_kind == "foreigner"


def test_an_issuing_ca_is_an_anchor_by_itself() -> None:
    """It needs neither root nor issuerCertificate, whatever stands there."""
    trusted = (pki.citizen_ca().cert,)
    Attempt(issuer=None, trusted=trusted).run()
    Attempt(trusted=trusted, edit=put(issuerCertificate="!")).run()


def test_an_anchor_may_have_expired_and_an_issuer_between_may_not() -> None:
    """An anchor is a name and a key; its own dates are not looked at."""
    past: Any = {"start": pki.NOW - 3 * pki.YEAR, "end": pki.NOW - pki.YEAR}
    subject = pki.name(C="BE", CN="Citizen CA")
    old = pki.ca(subject, pki.root(), **past)
    holder = pki.holder(old)
    Attempt(holder=holder, issuer=None, trusted=(old.cert,)).run()
    with pytest.raises(rp.IssuerExpired):
        Attempt(holder=holder, issuer=old.cert).run()
    again: Any = {"ca_key": pki.root().key, "path_length": 1, **past}
    old_root = pki.ca(pki.root().cert.subject, **again)
    Attempt(trusted=(old_root.cert,)).run()


def test_a_root_issued_again_under_its_key_is_the_same_anchor() -> None:
    """Belgium Root CA4 exists twice under one key."""
    again = pki.ca(pki.root().cert.subject, ca_key=pki.root().key, path_length=1)
    assert again.cert != pki.root().cert
    Attempt(trusted=(again.cert,)).run()


@pytest.mark.parametrize("where", ["token", "intermediates"])
def test_the_issuer_comes_from_the_token_or_from_the_portal(where: str) -> None:
    """With roots alone one of the two must give it."""
    issuer = pki.citizen_ca().cert
    if where == "token":
        Attempt(issuer=issuer).run()
    else:
        Attempt(issuer=None, options={"intermediates": [issuer]}).run()


def test_the_newest_of_two_issuers_under_one_key_is_taken() -> None:
    """An expired copy beside a good one does not stand in the way."""
    subject, key = pki.citizen_ca().cert.subject, pki.citizen_ca().key
    past: Any = {"start": pki.NOW - 3 * pki.YEAR, "end": pki.NOW - pki.YEAR}
    old = pki.ca(subject, pki.root(), ca_key=key, **past)
    Attempt(options={"intermediates": [old.cert]}).run()


def test_an_issuer_of_the_same_name_beside_the_right_one_does_no_harm() -> None:
    """Without key identifiers only the signature tells two authorities apart."""
    subject = pki.name(C="BE", CN="Citizen CA")
    right = pki.ca(subject, pki.root(), ca_key=pki.key("right"), identifiers=False)
    wrong = pki.ca(subject, pki.root(), ca_key=pki.key("wrong"), identifiers=False)
    holder = pki.holder(right, identifiers=False)
    for offered in ([wrong.cert], [wrong.cert, right.cert]):
        options = {"intermediates": offered}
        Attempt(holder=holder, issuer=right.cert, options=options).run()
    Attempt(
        holder=holder, issuer=right.cert, trusted=(wrong.cert, pki.root().cert)
    ).run()


def test_unknown_members_are_ignored() -> None:
    """Web eID's own tokens carry more than the five members."""
    Attempt(edit=put(action="web-eid:authenticate-success", more={"a": [1]})).run()


def wrapped(ending: str) -> Callable[[str], str]:
    """Return a change that breaks base64 into lines of 64 characters."""
    return lambda text: ending.join(re.findall(".{1,64}", text)) + ending


@pytest.mark.parametrize(
    "edit",
    [
        put(format="web-eid:1"),
        put(format="web-eid:1.1", unverifiedSigningCertificate="x"),
        put(format="web-eid:1.0.3"),
        put(appVersion=None),
        put(appVersion="https://web-eid.eu/web-eid-app/releases/v2.8.0+743"),
        put(appVersion={"name": "web-eid-app", "version": [2, 8, 0]}),
        put(supportedSignatureAlgorithms=[{"hashFunction": "SHA-256"}]),
        put(issuerCertificate=None, unverifiedIntermediateCertificates=["x"]),
        lambda token: dict(reversed(token.items())),
        lambda token: json.dumps(token, indent=4, ensure_ascii=False),
        lambda token: spoil("unverifiedCertificate", wrapped("\n"))(token),
        lambda token: spoil("unverifiedCertificate", wrapped("\r\n"))(token),
    ],
    ids=[
        *("format 1", "format 1.1", "format 1.0.3", "no version", "version of RIA's"),
        *("version as an object", "algorithms", "other issuers", "another order"),
        *("indented", "lines", "lines of Windows"),
    ],
)
def test_a_token_of_any_web_eid_application_logs_in(
    edit: Callable[[dict[str, object]], object],
) -> None:
    """Web eID fixes five members and tells validators to look past the rest."""
    issuer = pki.citizen_ca().cert
    identity = Attempt(edit=edit, options={"intermediates": [issuer]}).run()
    assert identity.national_number == pki.NATIONAL_NUMBER


def test_an_issuer_in_lines_is_read() -> None:
    """From the token itself, with roots alone."""
    Attempt(edit=lambda token: spoil("issuerCertificate", wrapped("\n"))(token)).run()


def test_a_token_without_extended_key_usage_logs_in() -> None:
    """Older citizen certificates have none."""
    Attempt(holder=pki.holder(pki.citizen_ca(), purposes=())).run()


@pytest.mark.parametrize("number", [" 85073003328 ", "85073003328"])
def test_a_second_serial_number_is_tolerated(number: str) -> None:
    """A specimen codes the surname as another serialNumber; some pad with blanks."""
    subject = {"C": "BE", "CN": "x", "SERIAL": number, "SERIAL2": "SPECIMEN"}
    identity = Attempt(holder=pki.holder(pki.citizen_ca(), subject=subject)).run()
    assert identity.national_number == pki.NATIONAL_NUMBER
    assert identity.surname is None


def test_a_person_called_test_is_no_test_card() -> None:
    """The holder's own name does not mark a chain."""
    subject = {**pki.HOLDER, "SN": "Test", "CN": "Jan Test (Authentication)"}
    identity = Attempt(holder=pki.holder(pki.citizen_ca(), subject=subject)).run()
    assert identity.surname == "Test"
    assert identity.test is False


def test_the_largest_token_of_a_card_fits() -> None:
    """RSA-2048 holder, RSA-4096 CA, file padding and all, below 10 000 characters."""
    root = pki.root("RSA-4096")
    citizen = pki.citizen_ca("RSA-4096")
    filler = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(600))
    holder = pki.holder(citizen, kind="RSA-2048", more=(filler,))
    padded = b64(pki.der(citizen.cert) + bytes(2500))
    attempt = Attempt(
        holder=holder,
        algorithm="RS256",
        trusted=(root.cert,),
        edit=put(issuerCertificate=padded),
    )
    assert len(json.dumps(attempt.edit(attempt.token()))) < 10_000
    attempt.run()


async def test_validation_works_inside_a_running_event_loop() -> None:
    """A portal calls it from its request handler, or from a thread beside it."""
    assert Attempt().run().surname == "Peeters"
    identity = await asyncio.to_thread(Attempt().run)
    assert identity.surname == "Peeters"


# --- who does not --------------------------------------------------------------------


def spoil(
    member: str, change: Callable[[str], object]
) -> Callable[[dict[str, object]], object]:
    """Return an edit that changes the text of one member."""
    return lambda token: {**token, member: change(str(token[member]))}


def flipped(text: str) -> str:
    """Flip one bit in the middle of base64 data."""
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return b64(bytes(data))


def as_der(text: str) -> str:
    """Turn r||s into the ASN.1 form that other systems use."""
    raw = base64.b64decode(text)
    r, s = (int.from_bytes(half) for half in (raw[:48], raw[48:]))
    return b64(utils.encode_dss_signature(r, s))


def long_chain() -> Attempt:
    """A Citizen CA with path length 0 that issued another Citizen CA."""
    middle = pki.ca(pki.name(C="BE", CN="Citizen CA", SERIAL="1"), pki.citizen_ca())
    return Attempt(
        holder=pki.holder(middle),
        issuer=middle.cert,
        options={"intermediates": [pki.citizen_ca().cert]},
    )


def too_deep() -> Attempt:
    """A root with path length 0, so that nothing may issue below it."""
    flat = pki.ca(pki.name(C="BE", CN="Flat Root"), path_length=0)
    citizen = pki.ca(pki.name(C="BE", CN="Citizen CA", O="flat"), flat)
    return Attempt(
        holder=pki.holder(citizen), issuer=citizen.cert, trusted=(flat.cert,)
    )


def under(issuer: pki.Pair, **changes: object) -> Attempt:
    """A holder under this issuer, which the token carries."""
    return Attempt(holder=pki.holder(issuer), issuer=issuer.cert, **changes)  # type: ignore[arg-type]


def holder(**changes: object) -> Attempt:
    """A holder under the Citizen CA whose certificate is special."""
    return Attempt(holder=pki.holder(pki.citizen_ca(), **changes))  # type: ignore[arg-type]


def citizen(**changes: object) -> pki.Pair:
    """A Citizen CA under the root that is special."""
    subject = pki.name(C="BE", CN="Citizen CA", O=str(sorted(changes)))
    return pki.ca(subject, pki.root(), **changes)  # type: ignore[arg-type]


def stranger(cn: str = "Belgium Root CA9", identifiers: bool = True) -> Attempt:
    """A chain like ours whose root has another key (and, by default, says so)."""
    root = pki.ca(
        pki.name(C="BE", CN=cn),
        ca_key=pki.key("stranger"),
        path_length=1,
        identifiers=identifiers,
    )
    subject = pki.name(C="BE", CN="Citizen CA", O="stranger")
    return under(pki.ca(subject, root, identifiers=identifiers))


def sha1(level: str) -> Attempt:
    """A chain with one SHA-1 signature in it."""
    root, ca_ = pki.root("RSA-2048"), pki.citizen_ca("RSA-2048")
    person = pki.holder(ca_, kind="RSA-2048")
    if level == "issuer":
        ca_ = pki.resigned_sha1(ca_, root.key)
    else:
        person = pki.resigned_sha1(person, ca_.key)
    return Attempt(
        holder=person, issuer=ca_.cert, trusted=(root.cert,), algorithm="RS256"
    )


def old_root() -> Attempt:
    """Modern algorithms, but below Belgium Root CA2."""
    root = pki.ca(pki.name(C="BE", CN="Belgium Root CA2"), path_length=1)
    ca_ = pki.ca(pki.name(C="BE", CN="Citizen CA", O="old"), root)
    return under(ca_, trusted=(root.cert,))


def two_algorithms() -> Attempt:
    """A holder's certificate that names another algorithm outside than inside."""
    attempt = Attempt(holder=pki.holder(pki.citizen_ca("RSA-2048")))
    data = pki.der(attempt.holder.cert)
    # sha256WithRSAEncryption, its second place, given an RSA-PSS-free twin: no NULL.
    oid = bytes.fromhex("300d06092a864886f70d01010b0500")
    place = data.rindex(oid)
    twin = bytes.fromhex("300b06092a864886f70d01010b")
    body = data[4:place] + twin + data[place + len(oid) :]
    changed = data[:2] + len(body).to_bytes(2) + body
    return Attempt(
        holder=pki.Pair(pki.reload(changed), attempt.holder.key),
        issuer=pki.citizen_ca("RSA-2048").cert,
        trusted=(pki.root("RSA-2048").cert,),
    )


class Revoked:
    """A checker that has found out."""

    def check(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> None:
        """Raise CertificateRevoked."""
        raise rp.CertificateRevoked


FUTURE = {"start": pki.NOW + pki.YEAR / 2}
PAST = {"end": pki.NOW - pki.YEAR / 2}

REFUSED: list[tuple[str, Callable[[], Attempt], type[rp.RelyingPartyError]]] = [
    # form
    ("too short", lambda: Attempt(edit=lambda _: "{}"), rp.TokenSizeRefused),
    ("too long", lambda: Attempt(edit=put(x="x" * 9_000)), rp.TokenSizeRefused),
    ("no JSON", lambda: Attempt(edit=lambda t: json.dumps(t)[1:]), rp.TokenMalformed),
    ("a list", lambda: Attempt(edit=lambda t: json.dumps([t])), rp.TokenMalformed),
    ("deep JSON", lambda: Attempt(edit=lambda _: "[" * 9_999), rp.TokenMalformed),
    ("a huge number", lambda: Attempt(edit=lambda _: "1" * 9_999), rp.TokenMalformed),
    ("not a text", lambda: Attempt(edit=lambda _: b"x" * 200), rp.TokenMalformed),
    ("no format", lambda: Attempt(edit=put(format=None)), rp.FormatUnsupported),
    ("format 2", lambda: Attempt(edit=put(format="web-eid:2.0")), rp.FormatUnsupported),
    ("format 10", lambda: Attempt(edit=put(format="web-eid:10")), rp.FormatUnsupported),
    ("format 1", lambda: Attempt(edit=put(format=1)), rp.FormatUnsupported),
    (
        "no certificate",
        lambda: Attempt(edit=put(unverifiedCertificate=None)),
        rp.CertificateMissing,
    ),
    (
        "empty certificate",
        lambda: Attempt(edit=put(unverifiedCertificate="")),
        rp.CertificateMissing,
    ),
    (
        "certificate no base64",
        lambda: Attempt(edit=spoil("unverifiedCertificate", lambda t: "*" + t)),
        rp.CertificateMalformed,
    ),
    (
        "certificate in base64url",
        lambda: Attempt(
            edit=spoil(
                "unverifiedCertificate", lambda t: t.replace("/", "_").replace("+", "-")
            )
        ),
        rp.CertificateMalformed,
    ),
    (
        "certificate a PEM",
        lambda: Attempt(
            edit=spoil(
                "unverifiedCertificate", lambda t: "-----BEGIN CERTIFICATE-----" + t
            )
        ),
        rp.CertificateMalformed,
    ),
    (
        "certificate cut off",
        lambda: Attempt(edit=spoil("unverifiedCertificate", lambda t: t[:400])),
        rp.CertificateMalformed,
    ),
    (
        "certificate and more",
        lambda: Attempt(
            edit=spoil(
                "unverifiedCertificate", lambda t: b64(base64.b64decode(t) + b"\0")
            )
        ),
        rp.CertificateMalformed,
    ),
    (
        "certificate a list",
        lambda: Attempt(edit=put(unverifiedCertificate=["x"])),
        rp.CertificateMalformed,
    ),
    # purpose
    ("no key usage", lambda: holder(bits=None), rp.PurposeMissing),
    (
        "signing certificate",
        lambda: holder(bits=("content_commitment",)),
        rp.PurposeRefused,
    ),
    (
        "extended usage without login",
        lambda: holder(purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
        rp.PurposeRefused,
    ),
    (
        "a CA logs in",
        lambda: holder(
            bits=("digital_signature", "key_cert_sign"),
            more=(x509.BasicConstraints(True, None),),
        ),
        rp.PurposeRefused,
    ),
    # validity and chain
    ("not valid yet", lambda: holder(**FUTURE), rp.CertificateNotYetValid),
    ("expired", lambda: holder(**PAST), rp.CertificateExpired),
    ("no issuer given", lambda: Attempt(issuer=None), rp.IssuerUnknown),
    ("another issuer given", lambda: Attempt(issuer=citizen().cert), rp.IssuerUnknown),
    (
        "another anchor",
        lambda: Attempt(issuer=None, trusted=(citizen().cert,)),
        rp.IssuerUnknown,
    ),
    (
        "issuer no base64",
        lambda: Attempt(edit=put(issuerCertificate="*")),
        rp.IssuerMalformed,
    ),
    (
        "issuer no certificate",
        lambda: Attempt(edit=put(issuerCertificate="MAA=")),
        rp.IssuerMalformed,
    ),
    ("issuer not valid yet", lambda: under(citizen(**FUTURE)), rp.IssuerNotYetValid),
    ("issuer expired", lambda: under(citizen(**PAST)), rp.IssuerExpired),
    ("issuer is no CA", lambda: under(citizen(constraints=False)), rp.IssuerNotCa),
    (
        "issuer may not issue",
        lambda: under(citizen(bits=("crl_sign",))),
        rp.IssuerNotCa,
    ),
    ("a holder issues", lambda: under(pki.holder(pki.citizen_ca())), rp.IssuerNotCa),
    (
        "another kind of CA",
        lambda: under(pki.ca(pki.name(C="BE", CN="Government CA"), pki.root())),
        rp.IssuerRefused,
    ),
    (
        "nearly a Citizen CA",
        lambda: under(pki.ca(pki.name(C="BE", CN="My Citizen CA"), pki.root())),
        rp.IssuerRefused,
    ),
    (
        "directly under the root",
        lambda: Attempt(holder=pki.holder(pki.root()), issuer=None),
        rp.IssuerRefused,
    ),
    ("root as the issuer", lambda: under(pki.root()), rp.IssuerRefused),
    ("root unknown", lambda: stranger("Belgium Root CA0"), rp.RootUnknown),
    ("root of the same name", stranger, rp.RootUnknown),
    (
        "root of the same name, no identifiers",
        lambda: stranger(identifiers=False),
        rp.IssuerSignatureInvalid,
    ),
    (
        "issuer tampered with",
        lambda: Attempt(
            issuer=pki.tampered(pki.citizen_ca()).cert,
            holder=pki.holder(pki.tampered(pki.citizen_ca())),
        ),
        rp.IssuerSignatureInvalid,
    ),
    (
        "holder tampered with",
        lambda: Attempt(holder=pki.tampered(pki.holder(pki.citizen_ca()))),
        rp.CertificateSignatureInvalid,
    ),
    (
        "holder tampered with, pinned issuer",
        lambda: Attempt(
            holder=pki.tampered(pki.holder(pki.citizen_ca())),
            trusted=(pki.citizen_ca().cert,),
            issuer=None,
        ),
        rp.CertificateSignatureInvalid,
    ),
    (
        "issued by one's own key",
        lambda: Attempt(
            holder=pki.holder(
                pki.Pair(pki.citizen_ca().cert, pki.key("mine")), identifiers=False
            )
        ),
        rp.CertificateSignatureInvalid,
    ),
    ("two Citizen CAs in a row", long_chain, rp.RootUnknown),
    ("root of path length 0", too_deep, rp.ChainInvalid),
    (
        "unknown critical extension",
        lambda: holder(more=(pki.CRITICAL,)),
        rp.ChainInvalid,
    ),
    ("two algorithms", two_algorithms, rp.ChainInvalid),
    (
        "test chain",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(word="TEST")),
            issuer=pki.citizen_ca(word="TEST").cert,
            trusted=(pki.root(word="TEST").cert,),
        ),
        rp.ChainMarkedTest,
    ),
    (
        "pinned test issuer",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(word="eID test")),
            issuer=None,
            trusted=(pki.citizen_ca(word="eID test").cert,),
        ),
        rp.ChainMarkedTest,
    ),
    ("SHA-1 on the holder", lambda: sha1("holder"), rp.HistoricRefused),
    ("SHA-1 on the issuer", lambda: sha1("issuer"), rp.HistoricRefused),
    (
        "an RSA-1024 key",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="RSA-1024"), algorithm="RS256"
        ),
        rp.HistoricRefused,
    ),
    ("Belgium Root CA2", old_root, rp.HistoricRefused),
    # revocation
    (
        "revocation not asked",
        lambda: Attempt(options={"revocation": rp.OnlineRevocation()}),
        rp.RevocationUnavailable,
    ),
    (
        "revoked",
        lambda: Attempt(options={"revocation": Revoked()}),
        rp.CertificateRevoked,
    ),
    # signature
    *(
        (
            f"algorithm {name!r}",
            lambda name=name: Attempt(edit=put(algorithm=name)),
            rp.AlgorithmRefused,
        )
        for name in ("none", "RS1", "HS384", "es384", "ES256K", "EdDSA", "ES384 ", 384)
    ),
    ("no algorithm", lambda: Attempt(edit=put(algorithm=None)), rp.AlgorithmRefused),
    *(
        (
            f"{name} with a P-384 key",
            lambda name=name: Attempt(edit=put(algorithm=name)),
            rp.AlgorithmMismatch,
        )
        for name in ("ES256", "ES512", "RS256", "PS384")
    ),
    (
        "ES384 with an RSA key",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="RSA-2048"),
            algorithm="RS256",
            edit=put(algorithm="ES384"),
        ),
        rp.AlgorithmMismatch,
    ),
    (
        "ES384 with a P-256 key",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="P-256"),
            edit=put(algorithm="ES384"),
        ),
        rp.AlgorithmMismatch,
    ),
    ("no signature", lambda: Attempt(edit=put(signature=None)), rp.SignatureMalformed),
    (
        "signature no base64",
        lambda: Attempt(edit=spoil("signature", lambda t: t[:-1])),
        rp.SignatureMalformed,
    ),
    (
        "signature with a line end",
        lambda: Attempt(edit=spoil("signature", lambda t: t + "\n")),
        rp.SignatureMalformed,
    ),
    (
        "signature in ASN.1",
        lambda: Attempt(edit=spoil("signature", as_der)),
        rp.SignatureMalformed,
    ),
    (
        "signature of another length",
        lambda: Attempt(edit=put(signature=b64(bytes(64)))),
        rp.SignatureMalformed,
    ),
    (
        "RSA signature of another length",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="RSA-2048"),
            algorithm="RS256",
            edit=put(signature=b64(bytes(128))),
        ),
        rp.SignatureMalformed,
    ),
    (
        "signature of zeros",
        lambda: Attempt(edit=put(signature=b64(bytes(96)))),
        rp.SignatureInvalid,
    ),
    (
        "signature changed",
        lambda: Attempt(edit=spoil("signature", flipped)),
        rp.SignatureInvalid,
    ),
    (
        "another's signature",
        lambda: Attempt(
            holder=pki.Pair(pki.holder(pki.citizen_ca()).cert, pki.key("thief"))
        ),
        rp.SignatureInvalid,
    ),
    (
        "another origin",
        lambda: Attempt(signed_origin="https://portal.example.evil"),
        rp.SignatureInvalid,
    ),
    (
        "origin with a slash",
        lambda: Attempt(signed_origin=ORIGIN + "/"),
        rp.SignatureInvalid,
    ),
    ("another nonce", lambda: Attempt(signed_nonce=NONCE[::-1]), rp.SignatureInvalid),
    (
        "another hash",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="RSA-2048"),
            algorithm="RS256",
            edit=put(algorithm="RS384"),
        ),
        rp.SignatureInvalid,
    ),
    (
        "PSS for PKCS#1",
        lambda: Attempt(
            holder=pki.holder(pki.citizen_ca(), kind="RSA-2048"),
            algorithm="RS256",
            edit=put(algorithm="PS256"),
        ),
        rp.SignatureInvalid,
    ),
    # nonce
    *(
        (
            f"nonce {str(nonce)[:9]!r}",
            lambda nonce=nonce: Attempt(nonce=nonce),
            rp.ChallengeMalformed,
        )
        for nonce in (None, "", "A" * 43, "A" * 129, "é" * 44, " " * 44, b"A" * 44)
    ),
    # name
    (
        "no national number",
        lambda: holder(subject={"C": "BE", "CN": "x"}),
        rp.NationalNumberMissing,
    ),
    *(
        (
            f"national number {text}",
            lambda text=text: holder(subject={**pki.HOLDER, "SERIAL": text}),
            rp.NationalNumberMissing,
        )
        for text in (
            "8507300332",
            "850730033289",
            "85.07.30-033.28",
            "PNOBE-85073003328",
        )
    ),
    (
        "two national numbers",
        lambda: holder(subject={**pki.HOLDER, "SERIAL2": "71715100070"}),
        rp.NationalNumberMissing,
    ),
]


@pytest.mark.parametrize(
    ("attempt", "refusal"),
    [pytest.param(make, error, id=name) for name, make, error in REFUSED],
)
def test_refused(
    attempt: Callable[[], Attempt], refusal: type[rp.RelyingPartyError]
) -> None:
    """Each way to be wrong has its own exception."""
    with pytest.raises(rp.RelyingPartyError) as caught:
        attempt().run()
    assert type(caught.value) is refusal
    assert caught.value.code == refusal.code
    assert pki.NATIONAL_NUMBER not in str(caught.value)


def test_more_than_twenty_reasons_are_told_apart() -> None:
    """The table covers at least twenty types."""
    assert len({error for _, _, error in REFUSED}) >= 20


def test_decoding_the_nonce_first_fails() -> None:
    """The nonce is hashed as the text that was sent, padding included."""
    decoded = base64.b64decode(NONCE).decode("latin-1")
    with pytest.raises(rp.SignatureInvalid):
        Attempt(signed_nonce=decoded).run()


def test_a_replayed_token_meets_no_challenge() -> None:
    """The nonce is gone before anything is checked."""
    store = rp.ChallengeStore()
    nonce = store.issue("session")
    attempt = Attempt(signed_nonce=nonce)
    attempt.validator().validate(attempt.token(), store.take("session"))
    with pytest.raises(rp.ChallengeNotFound):
        attempt.validator().validate(attempt.token(), store.take("session"))


# --- what a portal configures --------------------------------------------------------


def test_test_cards_are_accepted_with_a_warning() -> None:
    """The portal says so, is warned, and the result says so too."""
    word = "TEST"
    attempt = Attempt(
        holder=pki.holder(pki.citizen_ca(word=word)),
        issuer=pki.citizen_ca(word=word).cert,
        trusted=(pki.root(word=word).cert,),
        options={"allow_test": True},
    )
    with pytest.warns(rp.AcceptingTestCards, match="never do this in production"):
        identity = attempt.run()
    assert identity.test is True
    assert identity.card_kind == "citizen"


def test_allow_test_changes_nothing_for_real_chains() -> None:
    """And their result does not say test."""
    with pytest.warns(rp.AcceptingTestCards):
        assert Attempt(options={"allow_test": True}).run().test is False


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("TEST Root", True),
        ("eID test Root CA", True),
        ("Root (Test)", True),
        ("TEST_Root", True),
        ("Root-TEST2", True),
        ("Attest Root", False),
        ("Testament Root", False),
        ("Contest", False),
    ],
)
def test_the_word_test_marks_a_chain(name: str, marked: bool) -> None:
    """TEST as a word, in whatever case, in any authority's name."""
    root = pki.ca(pki.name(C="BE", CN=name), path_length=1)
    ca_ = pki.ca(pki.name(C="BE", CN="Citizen CA", O="plain"), root)
    attempt = under(ca_, trusted=(root.cert,))
    if not marked:
        assert attempt.run().test is False
        return
    with pytest.raises(rp.ChainMarkedTest):
        attempt.run()


def test_the_default_is_to_ask_and_to_refuse_where_nobody_can_be_asked() -> None:
    """Nobody skips revocation by forgetting it."""
    validator = rp.TokenValidator(ORIGIN, [pki.root().cert], now=pki.clock)
    with pytest.raises(rp.RevocationUnavailable, match="no address to ask"):
        validator.validate(Attempt().token(), NONCE)


def test_a_checker_sees_the_chain_and_the_result_tells_that_it_looked() -> None:
    """From the holder to the anchor, at the validator's time, after it was built."""
    seen: list[object] = []

    class Checker:
        def check(self, chain: object, moment: object) -> None:
            seen.extend((chain, moment))

    attempt = Attempt(options={"revocation": Checker()})
    identity = attempt.validator().validate(attempt.token(), NONCE)
    assert identity.revocation_checked is True
    chain = (attempt.holder.cert, pki.citizen_ca().cert, pki.root().cert)
    assert seen == [chain, pki.NOW]


def test_a_checker_is_not_asked_about_a_chain_that_was_not_built() -> None:
    """No address of a certificate is used before a path to an anchor was found."""

    class Checker:
        def check(self, chain: object, moment: object) -> None:
            pytest.fail("asked about a stranger")

    attempt = stranger("Belgium Root CA0")
    with pytest.raises(rp.RootUnknown):
        Attempt(
            holder=attempt.holder,
            issuer=attempt.issuer,
            options={"revocation": Checker()},
        ).run()


@pytest.mark.parametrize("issuer_given", [True, False])
def test_no_address_of_a_certificate_is_asked(
    monkeypatch: pytest.MonkeyPatch, issuer_given: bool
) -> None:
    """Neither for a missing issuer (AIA) nor for OCSP or a CRL."""
    asked: list[object] = []
    for name in ("getaddrinfo", "socket", "create_connection"):
        monkeypatch.setattr(socket, name, lambda *args, **_: asked.append(args))
    url = x509.UniformResourceIdentifier("http://127.0.0.1:1/")
    places = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url),
        ]
    )
    lists = x509.CRLDistributionPoints(
        [x509.DistributionPoint([url], None, None, None)]
    )
    attempt = holder(more=(places, lists))
    if issuer_given:
        attempt.run()
    else:
        with pytest.raises(rp.IssuerUnknown):
            replace(attempt, issuer=None).run()
    assert not asked


@pytest.mark.parametrize(
    "origin",
    [
        "http://portal.example",
        "https://portal.example/",
        "https://portal.example/login",
        "https://portal.example?x",
        "https://portal.example#x",
        "https://user@portal.example",
        "https://Portal.example",
        "HTTPS://portal.example",
        "https://portal.example:443",
        "https://portal.example:0443",
        "https://portal.example:65536",
        "https://portal.example:",
        "https://portál.example",
        "https://portal..example",
        "https://",
        "portal.example",
        "null",
        "",
        " https://portal.example",
        "https://portal.example\n",
    ],
)
def test_an_origin_that_no_browser_says_is_an_error(origin: str) -> None:
    """It would refuse everybody, so it is said at the start."""
    with pytest.raises(ValueError, match="origin"):
        rp.TokenValidator(origin, [pki.root().cert])


@pytest.mark.parametrize(
    "origin",
    ["https://localhost:8443", "https://[::1]:8443", "https://xn--prtal-qta.example"],
)
def test_origins_as_browsers_write_them(origin: str) -> None:
    """Ports other than 443, addresses and IDNA names are taken."""
    Attempt(origin=origin, signed_origin=origin).run()


def _constrained() -> x509.Certificate:
    limits = x509.NameConstraints([x509.DNSName("example")], None)
    key_ = pki.key("constrained")
    constraints = x509.BasicConstraints(True, None)
    subject = pki.name(CN="Limited Root")
    return pki.issue(subject, None, key_, limits, constraints).cert


@pytest.mark.parametrize(
    ("anchors", "reason"),
    [
        (lambda: [], "empty"),
        (lambda: [pki.holder(pki.citizen_ca()).cert], "no CA"),
        (
            lambda: [pki.tampered(pki.ca(pki.name(CN="Root", SERIAL="202601"))).cert],
            "signed by itself",
        ),
        (lambda: [_constrained()], "constraints"),
    ],
)
def test_anchors_that_can_be_no_anchors_are_an_error(
    anchors: Callable[[], list[x509.Certificate]], reason: str
) -> None:
    """There is no default, and a mistake is said at the start."""
    with pytest.raises(ValueError, match=reason):
        rp.TokenValidator(ORIGIN, anchors())


def test_anchors_are_certificate_objects() -> None:
    """Bytes or paths are a mistake of the caller."""
    with pytest.raises(TypeError):
        rp.TokenValidator(ORIGIN, [b"DER"])  # type: ignore[list-item]


def test_a_clock_without_a_zone_is_an_error() -> None:
    """Comparing it would be guessing."""
    naive = pki.NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        Attempt(options={"now": lambda: naive}).run()


# --- whatever comes ------------------------------------------------------------------

_TOKEN = Attempt().token()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*_TOKEN, "x"]), _JSON | st.text()))
def test_any_members_end_in_a_refusal_of_ours(members: dict[str, object]) -> None:
    """No parser's exception leaves the library, and nobody gets in."""
    token = {**_TOKEN, **members}
    try:
        Attempt().validator().validate(token, NONCE)
    except rp.RelyingPartyError:
        return
    assert not {"unverifiedCertificate", "algorithm", "signature"} & members.keys()


@given(
    st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("latin-1"))
)
def test_any_text_is_refused(text: str) -> None:
    """Neither short nor long noise is a token."""
    with pytest.raises(rp.TokenError):
        Attempt().validator().validate(text + " " * 100, NONCE)


@given(st.data())
def test_no_changed_certificate_gets_in(data: st.DataObject) -> None:
    """One byte changed, anywhere, ends in a refusal of ours."""
    for member in ("unverifiedCertificate", "issuerCertificate"):
        raw = bytearray(base64.b64decode(str(_TOKEN[member])))
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= data.draw(st.integers(1, 255))
        with pytest.raises(rp.RelyingPartyError):
            Attempt().validator().validate({**_TOKEN, member: b64(bytes(raw))}, NONCE)
