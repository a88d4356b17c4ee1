"""Judges the signatures of a document, check by check; runs in the child, pure.

Nothing is fetched: what a document brings along counts, certificates and answers about
revocation. Sources: ETSI EN 319 102-1 (validation), EN 319 412-5 (QCStatements).

document-signature   over the bytes that the signature names, with the signer's key
document-coverage    nothing was put behind them but signatures and filled-in fields
signer-certificate   for signing, and leads to a trusted root
certificate-dates    valid when it was signed, as far as a time stamp proves when
time-stamp           holds, and leads to a trusted root
revocation           by the answers in the document
qualified            the certificate claims QcCompliance and QcSSCD
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterable, Sequence
from typing import Any

from asn1crypto import x509
from cryptography import x509 as cryptography_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.qualified_asn1 import get_qc_statements
from pyhanko.sign.diff_analysis.policy_api import ModificationLevel
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    InsufficientRevinfoError,
    PathBuildingError,
    PathError,
    RevokedError,
    ValidationError,
)

from agent.checks import Check, Result
from agent.pdf.document import DocumentRefused
from agent.pdf.judged import Judged
from agent.relyingparty import certificates, roots
from agent.relyingparty.errors import CertificateMalformed
from agent.relyingparty.rfc5280 import algorithm_policy

#: id-etsi-qcs-QcCompliance and id-etsi-qcs-QcSSCD.
_QUALIFIED = {"0.4.0.1862.1.1", "0.4.0.1862.1.4"}

_BROKEN = Result(False, "signature-broken")


async def validate(
    pdf: bytes, cas: Sequence[bytes], now: datetime.datetime
) -> tuple[Judged, ...]:
    """Return what holds of each signature, the oldest first; DocumentRefused.

    `cas` are roots in DER that are trusted besides Belgium's.
    """
    try:
        reader = PdfFileReader(io.BytesIO(pdf))
        if reader.encrypted:
            raise DocumentRefused("encrypted")
        signatures = reader.embedded_regular_signatures
        judge = _Judge(reader, cas, now)
        return tuple([await judge.judged(signature) for signature in signatures])
    except DocumentRefused:
        raise
    except Exception as error:  # whatever a library raises on what it cannot read
        raise DocumentRefused("damaged") from error


class _Judge:
    """Judges the signatures of one document."""

    def __init__(
        self, reader: PdfFileReader, cas: Sequence[bytes], now: datetime.datetime
    ) -> None:
        self._now = now
        self._added = [x509.Certificate.load(ca) for ca in cas]
        self._brought: list[x509.Certificate] = []
        self._answers: dict[str, list[Any]] = {"ocsps": [], "crls": []}
        try:
            store = DocumentSecurityStore.read_dss(reader)
        except NoDSSFoundError:
            return
        self._brought = list(store.load_certs())
        self._answers = {
            "ocsps": [each.get_object().data for each in store.ocsps],
            "crls": [each.get_object().data for each in store.crls],
        }

    async def judged(self, signature: Any) -> Judged:
        """Judge one signature."""
        signer = signature.signer_cert
        brought = [*self._brought, *signature.other_embedded_certs]
        try:
            status = await self._status(signature, brought)
        except (ValidationError, ValueError, TypeError, KeyError):
            return _unreadable(signer)
        stamp = _stamp(status)
        moment = self._now
        if stamp.ok and status.timestamp_validity is not None:
            moment = status.timestamp_validity.timestamp
        begin, end = signer.not_valid_before, signer.not_valid_after
        within = min(max(moment, begin), end)
        chain, certificate = await self._certificate(signer, brought, within)
        claimed = status.signer_reported_dt
        checks = (
            Check("document-signature", _signature(status)),
            Check("document-coverage", _coverage(status)),
            Check("signer-certificate", certificate),
            Check("certificate-dates", _dates(signer, moment, claimed, stamp)),
            Check("time-stamp", stamp, needed=stamp.ok is False),
            Check("revocation", await self._revocation(signer, brought, within)),
            Check("qualified", _qualified(signer, certificate), needed=False),
        )
        stamped = moment.isoformat() if stamp.ok else None
        return Judged(
            _name(signer),
            claimed.isoformat() if claimed else None,
            stamped,
            tuple(each.dump() for each in chain),
            checks,
        )

    async def _status(
        self, signature: Any, brought: list[x509.Certificate]
    ) -> PdfSignatureStatus:
        return await async_validate_pdf_signature(
            signature,
            self._context(brought, self._now),
            key_usage_settings=KeyUsageConstraints(key_usage={"non_repudiation"}),
        )

    def _context(
        self,
        brought: list[x509.Certificate],
        moment: datetime.datetime,
        **more: Any,
    ) -> ValidationContext:
        return ValidationContext(
            trust_roots=[*self._added, *filter(_is_belgian, brought)],
            other_certs=brought,
            moment=moment,
            allow_fetching=False,
            algorithm_usage_policy=algorithm_policy(historic=False),
            **more,
        )

    async def _certificate(
        self,
        signer: x509.Certificate,
        brought: list[x509.Certificate],
        moment: datetime.datetime,
    ) -> tuple[list[x509.Certificate], Result]:
        """Return the chain, as far as it is known, and what it is worth."""
        context = self._context(brought, moment)
        validator = CertificateValidator(signer, brought, validation_context=context)
        try:
            usage = {"non_repudiation"}
            path = await validator.async_validate_usage(usage)  # type: ignore[no-untyped-call]
        except PathBuildingError:
            return [signer], Result(None, "root-unknown")
        except (ValidationError, PathError) as error:
            return [signer], _refused(error)
        chain = list(path.iter_certs(include_root=True))[::-1]
        root = _loaded(chain[-1])
        values = {"root": certificates.common_name(root.subject)}
        names = [_loaded(signer).issuer]
        names += [name for each in chain[1:] for name in _names(each)]
        if certificates.says_test(names):
            return chain, Result(True, "root-test", values)
        reason = "root-belgian" if roots.is_belgian(root) else "root-added"
        return chain, Result(True, reason, values)

    async def _revocation(
        self,
        signer: x509.Certificate,
        brought: list[x509.Certificate],
        moment: datetime.datetime,
    ) -> Result:
        context = self._context(
            brought, moment, revocation_mode="require", **self._answers
        )
        validator = CertificateValidator(signer, brought, validation_context=context)
        try:
            await validator.async_validate_path()
        except RevokedError:
            return Result(False, "revoked")
        except (InsufficientRevinfoError, ValidationError, PathError):
            return Result(None, "revocation-open")
        return Result(True, "not-revoked")


def _signature(status: PdfSignatureStatus) -> Result:
    holds = status.intact and status.valid
    return Result(True, "fits") if holds else _BROKEN


def _coverage(status: PdfSignatureStatus) -> Result:
    if status.coverage is SignatureCoverageLevel.ENTIRE_FILE:
        return Result(True, "covers-all")
    level = status.modification_level
    allowed = (
        status.coverage is SignatureCoverageLevel.ENTIRE_REVISION
        and isinstance(level, ModificationLevel)
        and level <= ModificationLevel.FORM_FILLING
        and bool(status.docmdp_ok)
    )
    return Result(allowed, "covers-revision" if allowed else "changed-later")


def _stamp(status: PdfSignatureStatus) -> Result:
    stamp = status.timestamp_validity
    if stamp is None:
        return Result(None, "stamp-none")
    if not (stamp.intact and stamp.valid):
        return Result(False, "stamp-wrong")
    if not stamp.trusted:
        return Result(None, "stamp-unknown")
    return Result(True, "stamp-holds", {"time": stamp.timestamp.isoformat()})


def _dates(
    signer: x509.Certificate,
    moment: datetime.datetime,
    claimed: datetime.datetime | None,
    stamp: Result,
) -> Result:
    begin, end = signer.not_valid_before, signer.not_valid_after
    if moment < begin:
        return Result(False, "dates-before", {"begin": begin.date().isoformat()})
    if moment <= end:
        values = {"begin": begin.date().isoformat(), "end": end.date().isoformat()}
        return Result(True, "dates-within", values)
    values = {"end": end.date().isoformat()}
    # Whoever has the key can claim any time.
    if not stamp.ok and claimed is not None and begin <= claimed <= end:
        return Result(None, "dates-unproven", values)
    return Result(False, "dates-after", values)


def _qualified(signer: x509.Certificate, certificate: Result) -> Result:
    stated = get_qc_statements(signer)
    claims = {each["statement_id"].dotted for each in stated}
    if certificate.reason == "root-belgian" and claims >= _QUALIFIED:
        return Result(True, "qualified")
    return Result(None, "not-qualified")


def _refused(error: Exception) -> Result:
    return Result(False, "refused", {"code": type(error).__name__})


def _unreadable(signer: x509.Certificate) -> Judged:
    checks = (Check("document-signature", _BROKEN),)
    return Judged(_name(signer), None, None, (signer.dump(),), checks)


def _name(certificate: x509.Certificate) -> str:
    return certificates.common_name(_loaded(certificate).subject)


def _loaded(certificate: x509.Certificate) -> cryptography_x509.Certificate:
    return certificates.load(certificate.dump())


def _names(certificate: x509.Certificate) -> Iterable[cryptography_x509.Name]:
    loaded = _loaded(certificate)
    return loaded.subject, loaded.issuer


def _is_belgian(certificate: x509.Certificate) -> bool:
    try:
        return roots.is_belgian(_loaded(certificate))
    except CertificateMalformed:
        return False
