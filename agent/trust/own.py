"""Whose certificate answers on the agent's port; connects to it over TLS.

An antivirus program that looks into connections, or whoever else stands in between,
shows a certificate of its own, and no browser reaches the agent through it.
"""

from __future__ import annotations

import socket
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from cardio.display import one_line

_SECONDS = 10.0


def shown(port: int, seconds: float = _SECONDS) -> x509.Certificate:
    """Return the certificate that a browser would be shown; OSError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: it is only looked at
    address = ("127.0.0.1", port)
    with (
        socket.create_connection(address, seconds) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as tunnel,
    ):
        return x509.load_der_x509_certificate(tunnel.getpeercert(True) or b"")


def stranger(port: int, own: x509.Certificate) -> str | None:
    """Return who issued what is shown instead of our certificate; None if it is ours.

    OSError, ValueError where nothing can be looked at.
    """
    certificate = shown(port)
    return None if certificate == own else issuer(certificate)


def issuer(certificate: x509.Certificate) -> str:
    """Return the issuer's name as it can be shown: common name, else organisation."""
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in certificate.issuer.get_attributes_for_oid(kind):
            return one_line(str(attribute.value))
    return one_line(certificate.issuer.rfc4514_string()) or "?"
