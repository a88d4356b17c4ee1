"""PAdES signatures with pyHanko, made in the child; the key is somewhere else.

Sources: ETSI EN 319 142-1 (baseline levels), RFC 5652 (what is signed: the DER of the
signed attributes).
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from asn1crypto import algos, cms, crl, ocsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.pdf.appearance import Appearance
from agent.pdf.document import DIGESTS, Visible
from agent.pdf.inspection import shown_part

SignRaw = Callable[[bytes], Awaitable[bytes]]
Stamp = Callable[[bytes], Awaitable[bytes]]

#: Hexadecimal digits that are kept free for a signature without and with a time stamp.
_RESERVED = 2 * 16 * 1024


@dataclass(frozen=True)
class Order:
    """How to sign a document; certificates as DER, the signer's issuer first."""

    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    mechanism: str
    reason: str | None = None
    timestamp: bool = False
    visible: Visible | None = None


class _CardSigner(Signer):
    """Signs with a key that another process has."""

    def __init__(self, order: Order, sign_raw: SignRaw) -> None:
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple(map(x509.Certificate.load, order.chain))
        super().__init__(
            signing_cert=x509.Certificate.load(order.certificate),
            cert_registry=registry,
            signature_mechanism=algos.SignedDigestAlgorithm(
                {"algorithm": order.mechanism}
            ),
            embed_roots=True,  # only its fingerprint is known to who validates
        )
        self._sign_raw = sign_raw

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """Return the signature over `data`, the DER of the signed attributes."""
        return bytes(256) if dry_run else await self._sign_raw(data)


class _Stamper(TimeStamper):
    """Has another process ask the service: the digest to the token, in DER."""

    def __init__(self, stamp: Stamp) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamp = stamp

    async def async_timestamp(
        self, message_digest: bytes, md_algorithm: str
    ) -> cms.ContentInfo:
        """Return the time stamp over a digest."""
        return cms.ContentInfo.load(await self._stamp(message_digest))


async def sign(pdf: bytes, order: Order, sign_raw: SignRaw, stamp: Stamp) -> bytes:
    """Return the document with one signature more, in front of which nothing changed.

    `sign_raw` gets what is to be signed and returns the signature as CMS has it: PKCS#1
    v1.5, or the DER of r and s. `stamp`, for an order with a time stamp, gets a digest
    and returns the token: once before anything is signed, and once over the signature.
    """
    stamper = None
    if order.timestamp:
        stamper = _Stamper(stamp)
        await stamper.async_dummy_response(DIGESTS[order.mechanism])
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=True)
    name = f"eid-agent-{secrets.token_hex(8)}"
    metadata = PdfSignatureMetadata(
        field_name=name,
        md_algorithm=DIGESTS[order.mechanism],
        subfilter=SigSeedSubFilter.PADES,
        reason=order.reason,
    )
    style, field_spec = None, None
    if order.visible is not None:
        style = Appearance(order.visible.lines)
        number = order.visible.page
        page, _ = writer.find_page_for_modification(number)  # type: ignore[no-untyped-call]
        box = style.place(*shown_part(page.get_object()), order.visible.corner)
        field_spec = SigFieldSpec(name, on_page=number, box=box)
    signer = PdfSigner(
        metadata,
        _CardSigner(order, sign_raw),
        timestamper=stamper,
        stamp_style=style,  # type: ignore[arg-type]  # all that is asked of one
        new_field_spec=field_spec,
    )
    signed = await signer.async_sign_pdf(writer, bytes_reserved=_RESERVED)
    return bytes(signed.getvalue())


def complete(signed: bytes, parts: Mapping[str, Sequence[bytes]]) -> bytes:
    """Return a signed document with certificates, OCSP answers and CRLs behind it.

    `parts` has `certificates`, `ocsps` and `crls` as DER. What is there stays as it is
    (ISO 32000-2, 12.8.4.3: document security store).
    """
    document = io.BytesIO(signed)
    DocumentSecurityStore.add_dss(
        document,
        None,
        certs=list(map(x509.Certificate.load, parts["certificates"])),
        ocsps=list(map(ocsp.OCSPResponse.load, parts["ocsps"])),
        crls=list(map(crl.CertificateList.load, parts["crls"])),
    )
    return document.getvalue()
