"""Signers of a PKI of the tests' own, with the services that know them."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from asn1crypto import keys, tsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.pdf.process import opened
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.services import Authority, Services

#: QCStatements with QcCompliance and QcSSCD (ETSI EN 319 412-5).
QUALIFIED = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"),
    bytes.fromhex("3014300806060400 8e460101 300806060400 8e460104"),
)


def signer(
    services: Services, *more: x509.ExtensionType, end: datetime.datetime | None = None
) -> pki.Pair:
    """Return a holder for signing, known to the services, which answer as of now."""
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    for authority in services.authorities.values():
        authority.made, authority.ends = now - hour, now + hour
    made = pki.holder(
        services.ca.pair,
        bits=("content_commitment",),
        purposes=(),
        more=(*services.addresses("ca"), *more),
        end=end or now + pki.YEAR,
    )
    services.know("ca", made)
    return made


def chain(services: Services) -> tuple[bytes, ...]:
    """Return the CAs above a signer, as DER."""
    return pki.der(services.ca.pair.cert), pki.der(services.root.pair.cert)


def revoke(authority: Authority, pair: pki.Pair) -> None:
    """Have a certificate revoked."""
    authority.revoked.add(pair.cert.serial_number)


async def signed(
    pdf: bytes, pair: pki.Pair, services: Services, **options: object
) -> bytes:
    """Return the document, signed by this holder."""

    async def sign(data: bytes) -> bytes:
        assert isinstance(pair.key, ec.EllipticCurvePrivateKey)
        return pair.key.sign(data, ec.ECDSA(hashes.SHA384()))

    async with opened(pdf) as document:
        return await document.sign(
            pki.der(pair.cert),
            chain(services),
            "sha384_ecdsa",
            sign,
            **options,  # type: ignore[arg-type]
        )


def stamping(services: Services) -> Callable[[bytes], bytes]:
    """Return what answers requests for time stamps under the services' root."""
    subject = pki.name(C="BE", CN="Time Stamping Authority")
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    own = pki.issue(
        subject,
        services.root.pair,
        pki.key("tsa", "RSA-2048"),
        pki.usage("digital_signature"),
        purpose,
        *services.addresses("root"),
    )
    services.know("root", own)
    key = own.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    authority = DummyTimeStamper(
        asn1.Certificate.load(pki.der(own.cert)),
        keys.PrivateKeyInfo.load(key),
        certs_to_embed=SimpleCertificateStore(),
    )

    def answer(request: bytes) -> bytes:
        asked = tsp.TimeStampReq.load(request, strict=True)
        return bytes(authority.request_tsa_response(asked).dump())

    return answer
