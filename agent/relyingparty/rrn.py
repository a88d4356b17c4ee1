"""Which certificate is the National Register's, and what it signed (SAFETY 6 and 8).

Pure. Every citizen's certificate leads to the same root and signs any digest, so the
chain alone shows nothing: the RRN certificate must be issued by the root itself and
must look like a service's, not like a person's.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.relyingparty import certificates as certs
from agent.relyingparty import trust
from agent.relyingparty.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    CertificateSignatureInvalid,
    HistoricRefused,
    NotRrnCertificate,
    RrnIssuerRefused,
)
from cardio.beid.rrn_signature import SHA1, has_form, holds_by

_PERSONAL = (NameOID.SERIAL_NUMBER, NameOID.SURNAME, NameOID.GIVEN_NAME)


class RrnKey:
    """The public key of an RRN certificate that was found good."""

    def __init__(self, chain: trust.Chain, *, allow_historic: bool) -> None:
        self.chain = chain
        self.historic = chain.historic
        self._allow_historic = allow_historic
        self._key = chain.certificates[0].public_key()

    def signed(self, signature_file: bytes, data: bytes) -> bool:
        """Tell whether a signature file (4032, 4034, padding included) covers `data`.

        EC: ECDSA P-384 with SHA-384, DER, as long as it says itself. RSA: PKCS#1 v1.5
        with SHA-256; a SHA-1 signature that holds raises HistoricRefused, or sets
        `historic` where that is allowed.
        """
        algorithm = holds_by(self._key, signature_file, data)
        if algorithm == SHA1:
            if not self._allow_historic:
                raise HistoricRefused("a file is signed with SHA-1")
            self.historic = True
        return algorithm is not None

    def could_have_made(self, signature_file: bytes) -> bool:
        """Tell whether a file has the form of EF 4032 under this key."""
        return has_form(self._key, signature_file)


def rrn_chain(certificate: x509.Certificate, anchors: trust.Anchors) -> trust.Chain:
    """Return the chain of the National Register's certificate.

    Raises NotRrnCertificate, RrnIssuerRefused, RootUnknown,
    CertificateSignatureInvalid.
    """
    _check_profile(certificate)
    holders_ca = certs.names_holders_ca(certificate.issuer)
    if holders_ca or anchors.names_issuer_of(certificate):
        raise RrnIssuerRefused
    root = anchors.root_of(certificate, CertificateSignatureInvalid)
    return trust.service_chain((certificate, root))


def _check_profile(certificate: x509.Certificate) -> None:
    """CN `RRN` (test PKIs: ends in it), nobody's attributes, a key that signs."""
    name = certs.common_name(certificate.subject)
    test = certs.says_test([certificate.subject, certificate.issuer])
    if name != "RRN" and not (test and name.endswith("RRN")):
        raise NotRrnCertificate("its common name is not RRN")
    if any(certs.texts(certificate.subject, oid) for oid in _PERSONAL):
        raise NotRrnCertificate("it names a person")
    if certs.claims_ca(certificate):
        raise NotRrnCertificate("it is a CA")
    if not certs.signs_digitally(certificate):
        raise NotRrnCertificate("its key usage lacks digitalSignature")


def check_rrn_dates(
    certificate: x509.Certificate, now: datetime.datetime
) -> datetime.datetime:
    """Return the moment at which to judge the path: now, or the certificate's last.

    Raises CertificateNotYetValid. Whether an expired one will do, `check_card_began`
    says once the identity file was verified.
    """
    if now < certificate.not_valid_before_utc:
        raise CertificateNotYetValid
    return min(now, certificate.not_valid_after_utc)


def check_card_began(
    certificate: x509.Certificate, now: datetime.datetime, began: datetime.date | None
) -> None:
    """Raise CertificateExpired unless the certificate lived while the card did.

    The Register signs when a card is made, and cards live for ten years: a certificate
    that expired since is normal, its signatures stay. What it signs must then have
    begun before it ended. Without an identity file (`began` is None) nothing tells
    when, so an expired certificate will not do.
    """
    if now <= certificate.not_valid_after_utc:
        return
    if began is None or began > certificate.not_valid_after_utc.date():
        raise CertificateExpired("and nothing shows that the card is older")
