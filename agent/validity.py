"""What a holder's certificate says before it is used; pure but for the clock."""

from __future__ import annotations

import datetime
from functools import partial

from cryptography import x509

from agent.errors import Problem, as_problem
from cardio.beid.certificates import parse_certificate
from cardio.errors import MalformedData
from cardio.tlv import der_length

#: A certificate that expires within this time is told of at each use.
SOON = datetime.timedelta(days=60)
#: The extension qcStatements (RFC 3739), and QcCompliance and QcSSCD in it, as DER
#: (ETSI EN 319 412-5).
_QC_STATEMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_QUALIFIED = {
    bytes.fromhex("0606 0400 8e46 0101"),
    bytes.fromhex("0606 0400 8e46 0104"),
}


def want_valid(certificate: bytes) -> None:
    """Refuse an expired certificate before anything is asked; Problem."""
    parsed = as_problem(partial(parse_certificate, certificate))
    if parsed.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise Problem("certificate-expired")


def expires_soon(certificate: bytes) -> str | None:
    """Return the last day of a certificate, where it is not far; ISO 8601. Problem."""
    last = as_problem(partial(parse_certificate, certificate)).not_valid_after_utc
    soon = last - datetime.datetime.now(datetime.UTC) < SOON
    return f"{last:%Y-%m-%d}" if soon else None


def is_qualified(certificate: bytes) -> bool:
    """Tell whether its signatures are equal to handwritten ones (SAFETY 25); Problem.

    That is what the certificate claims: QcCompliance and QcSSCD.
    """
    parsed = as_problem(partial(parse_certificate, certificate))
    try:
        claimed = parsed.extensions.get_extension_for_oid(_QC_STATEMENTS).value
    except x509.ExtensionNotFound:
        return False
    assert isinstance(claimed, x509.UnrecognizedExtension)
    try:
        statements = [_inside(each)[0] for each in _inside(claimed.value)]
    except (MalformedData, IndexError):
        return False
    return set(statements) >= _QUALIFIED


def _inside(der: bytes) -> list[bytes]:
    """Return the objects inside a DER sequence; MalformedData, IndexError."""
    start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    found = []
    while start < len(der):
        end = start + der_length(der[start : start + 6])
        found.append(der[start:end])
        start = end
    return found


def holder(certificate: bytes) -> dict[str, object]:
    """Return who it names, as members of the API's identity; Problem."""
    subject = as_problem(partial(parse_certificate, certificate)).subject
    names = {
        "surname": x509.NameOID.SURNAME,
        "givenNames": x509.NameOID.GIVEN_NAME,
        "nationalNumber": x509.NameOID.SERIAL_NUMBER,
    }
    return {
        member: " ".join(str(each.value) for each in found)
        for member, oid in names.items()
        if (found := subject.get_attributes_for_oid(oid))
    }
