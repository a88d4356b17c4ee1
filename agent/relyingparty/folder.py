"""The CAs that a portal trusts, from a folder of certificate files; reads files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent.relyingparty import certificates as certs
from agent.relyingparty.errors import CertificateMalformed

_SUFFIXES = frozenset({".cer", ".crt", ".der", ".pem"})
_PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class CaFolder:
    """What a folder held, each certificate once.

    `roots` go to `trusted_cas`, `issuing` (Citizen and Foreigner CAs) to
    `intermediates`: then these are asked about as well, when OCSP and CRL are.
    """

    roots: tuple[x509.Certificate, ...]
    issuing: tuple[x509.Certificate, ...]


def load_cas(folder: Path | str) -> CaFolder:
    """Load roots, Citizen CAs and Foreigner CAs from the files of a folder.

    Files called `.cer`, `.crt`, `.der` or `.pem`, each DER or one or more PEM
    certificates; folders in it are not looked into. All or nothing: raises ValueError,
    naming the file, for one that holds anything else (a person's certificate, another
    CA, a root that did not sign itself, a CA of a root that is not there), or for a
    folder without root; OSError for what cannot be read.
    """
    found: dict[x509.Certificate, str] = {}
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            for certificate in _certificates(path):
                found.setdefault(certificate, path.name)
    roots = tuple(ca for ca in found if certs.is_self_issued(ca))
    issuing = tuple(ca for ca in found if not certs.is_self_issued(ca))
    if not roots:
        raise ValueError(f"{folder}: no root certificate in any .cer, .crt, .der, .pem")
    for ca, name in found.items():
        _check(ca, roots, name)
    return CaFolder(roots, issuing)


def _certificates(path: Path) -> Iterator[x509.Certificate]:
    data = path.read_bytes()
    try:
        if _PEM in data:
            yield from x509.load_pem_x509_certificates(data)
        else:
            yield certs.load(data)
    except (ValueError, CertificateMalformed):
        raise ValueError(f"{path.name}: a certificate that cannot be read") from None


def _check(
    ca: x509.Certificate, roots: tuple[x509.Certificate, ...], name: str
) -> None:
    if not certs.is_ca(ca):
        raise ValueError(f"{name}: the certificate is not that of a CA")
    if ca not in roots and certs.issuing_kind(ca) is None:
        raise ValueError(f"{name}: neither a root nor a Citizen CA or Foreigner CA")
    if not any(
        certs.may_have_issued(root, ca) and certs.is_signed_by(ca, root)
        for root in roots
    ):
        raise ValueError(f"{name}: not signed by a root of this folder")
