"""Certificates as a card holds them, parsed to the end; pure, nothing here is trust."""

from __future__ import annotations

from cryptography import x509

from cardio.errors import MalformedData


def parse_certificate(der: bytes) -> x509.Certificate:
    """Parse a DER certificate, or raise MalformedData.

    Names, dates, key, algorithms and extensions are parsed here and now, so that no
    later look at them fails.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
        _ = certificate.extensions, certificate.subject, certificate.issuer
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        _ = certificate.signature_hash_algorithm
        _ = certificate.signature_algorithm_parameters
    except Exception:  # the parser raises a dozen types, all for the same reason
        raise MalformedData("a certificate that cannot be read") from None
    return certificate
