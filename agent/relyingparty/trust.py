"""Anchors, and the one way from a certificate up to them; pure, nothing is fetched.

Candidates are found by name and key identifier, signatures are verified from the anchor
downwards, and the finished path goes through pyhanko-certvalidator for everything that
RFC 5280 says besides. So no byte that no trusted CA has signed reaches a second parser.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509

from agent.relyingparty import certificates as certs
from agent.relyingparty.errors import (
    CertificateError,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateSignatureInvalid,
    ChainMarkedTest,
    HistoricRefused,
    IssuerExpired,
    IssuerNotCa,
    IssuerNotYetValid,
    IssuerRefused,
    IssuerSignatureInvalid,
    IssuerUnknown,
    RootUnknown,
)
from agent.relyingparty.rfc5280 import check_path


@dataclass(frozen=True)
class Chain:
    """A path whose signatures hold, from the end entity to the anchor."""

    certificates: tuple[x509.Certificate, ...]
    #: The words by which test chains are known, outside the holder's own name.
    test: bool
    historic: bool

    @property
    def issuer(self) -> x509.Certificate:
        """The CA that issued the end entity's certificate."""
        return self.certificates[1]

    def admit(self, *, allow_test: bool, allow_historic: bool) -> None:
        """Raise ChainMarkedTest or HistoricRefused where that is not allowed."""
        if self.test and not allow_test:
            raise ChainMarkedTest("allow_test=True accepts test cards")
        if self.historic and not allow_historic:
            raise HistoricRefused("SHA-1, an RSA key below 2048 bits, or an old root")

    def check(self, moment: datetime.datetime) -> None:
        """Raise ChainInvalid unless RFC 5280 accepts the path at `moment`."""
        check_path(self.certificates, moment, historic=self.historic)


def holder_chain(path: tuple[x509.Certificate, ...]) -> Chain:
    """Describe the path of a holder's certificate.

    The holder's subject does not mark a chain: people are called Test.
    """
    names = [path[0].issuer, *_names(path[1:])]
    return Chain(path, certs.says_test(names), certs.is_historic(path))


def service_chain(path: tuple[x509.Certificate, ...]) -> Chain:
    """Describe the path of a certificate that belongs to nobody in person."""
    return Chain(path, certs.says_test(_names(path)), certs.is_historic(path))


def _names(path: Iterable[x509.Certificate]) -> list[x509.Name]:
    return [name for cert in path for name in (cert.subject, cert.issuer)]


class Anchors:
    """The CAs that a portal trusts: roots, and issuing CAs trusted by themselves.

    Pinned by name and public key, so a root that was issued again under one key is the
    same anchor. An anchor's own dates and signature are not looked at. There is no
    default, and an empty list is an error (SAFETY 10).
    """

    def __init__(self, trusted_cas: Iterable[x509.Certificate]) -> None:
        anchors = tuple(trusted_cas)
        if not anchors:
            raise ValueError("trusted_cas is empty: nobody could be believed")
        for anchor in anchors:
            _check_anchor(anchor)
        self.roots = tuple(ca for ca in anchors if certs.is_self_issued(ca))
        self.issuing = tuple(ca for ca in anchors if not certs.is_self_issued(ca))

    def issuer_of(
        self, holder: x509.Certificate
    ) -> tuple[x509.Certificate, ...] | None:
        """Return the path to an issuing CA that is an anchor, None without one."""
        for anchor in self.issuing:
            if certs.may_have_issued(anchor, holder) and certs.is_signed_by(
                holder, anchor
            ):
                return holder, anchor
        return None

    def names_issuer_of(self, holder: x509.Certificate) -> bool:
        """Tell whether an anchor bears the name and key identifier of the issuer."""
        return any(certs.may_have_issued(ca, holder) for ca in self.issuing)

    def names_root_of(self, certificate: x509.Certificate) -> bool:
        """Tell whether a root bears the name and key identifier of the issuer."""
        return any(certs.may_have_issued(root, certificate) for root in self.roots)

    def root_of(
        self, certificate: x509.Certificate, invalid: type[CertificateError]
    ) -> x509.Certificate:
        """Return the root that signed a certificate.

        Raises RootUnknown, or `invalid` when the root of that name did not sign it.
        """
        for root in self.roots:
            if certs.may_have_issued(root, certificate) and certs.is_signed_by(
                certificate, root
            ):
                return root
        raise invalid if self.names_root_of(certificate) else RootUnknown


def _check_anchor(anchor: x509.Certificate) -> None:
    if not isinstance(anchor, x509.Certificate):
        raise TypeError("trusted_cas holds cryptography.x509.Certificate objects")
    if not certs.is_ca(anchor):
        raise ValueError("trusted_cas holds a certificate that is no CA")
    if certs.has_name_constraints(anchor):
        raise ValueError("anchors with name constraints are not supported")
    if certs.is_self_issued(anchor) and not certs.is_signed_by(anchor, anchor):
        raise ValueError("trusted_cas holds a root that is not signed by itself")


def find_holder_path(
    holder: x509.Certificate, anchors: Anchors, given: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return the path of a holder's certificate to an anchor, signatures verified.

    Either an anchor issued it, or one of `given` did, which must be called Citizen CA
    or Foreigner CA and be issued by a trusted root. Raises a CertificateError.
    """
    path = anchors.issuer_of(holder)
    if path is not None:
        return path
    if anchors.names_root_of(holder):
        raise IssuerRefused("the root itself issues no holder's certificate")
    refusal: CertificateError = (
        CertificateSignatureInvalid()
        if anchors.names_issuer_of(holder)
        else IssuerUnknown()
    )
    # The newest first: a CA that was issued again under its key may be there twice.
    for ca in sorted(given, key=lambda ca: ca.not_valid_after_utc, reverse=True):
        if not certs.may_have_issued(ca, holder):
            continue
        try:
            return _path_under_root(holder, ca, anchors)
        except CertificateError as error:
            refusal = error
    raise refusal


def _path_under_root(
    holder: x509.Certificate, ca: x509.Certificate, anchors: Anchors
) -> tuple[x509.Certificate, ...]:
    if not certs.is_ca(ca):
        raise IssuerNotCa
    if certs.issuing_kind(ca) is None:
        raise IssuerRefused
    root = anchors.root_of(ca, IssuerSignatureInvalid)
    if not certs.is_signed_by(holder, ca):
        raise CertificateSignatureInvalid
    return holder, ca, root


def check_holder_dates(holder: x509.Certificate, moment: datetime.datetime) -> None:
    """Raise CertificateNotYetValid or CertificateExpired."""
    if moment < holder.not_valid_before_utc:
        raise CertificateNotYetValid
    if moment > holder.not_valid_after_utc:
        raise CertificateExpired


def check_issuer_dates(chain: Chain, moment: datetime.datetime) -> None:
    """Raise IssuerNotYetValid or IssuerExpired for CAs between holder and anchor."""
    for ca in chain.certificates[1:-1]:
        if moment < ca.not_valid_before_utc:
            raise IssuerNotYetValid
        if moment > ca.not_valid_after_utc:
            raise IssuerExpired
