"""The path rules of RFC 5280, by pyhanko-certvalidator; offline, without event loop.

`check_revocation` does the same with OCSP and CRL, through fetchers that it is given.
"""

from __future__ import annotations

import datetime
from collections.abc import Coroutine, Sequence
from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustQualifiers
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import ValidationError
from pyhanko_certvalidator.fetchers import Fetchers
from pyhanko_certvalidator.ltv.poe import POEManager
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    AlgorithmUsagePolicy,
    CertRevTrustPolicy,
    DisallowWeakAlgorithmsPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import CertificateRegistry, SimpleTrustManager
from pyhanko_certvalidator.revinfo.manager import RevinfoManager
from pyhanko_certvalidator.validate import async_validate_path

from agent.relyingparty import certificates as certs
from agent.relyingparty.errors import ChainInvalid

_WEAK = frozenset({"md2", "md5"})
_MIN_RSA_BITS = 2048
_MIN_RSA_BITS_HISTORIC = 1024


def check_path(
    path: Sequence[x509.Certificate], moment: datetime.datetime, *, historic: bool
) -> None:
    """Raise ChainInvalid unless RFC 5280 accepts a path at `moment`.

    `path` runs from the end entity to the anchor, and its signatures were verified
    before. `historic` lets SHA-1 and short RSA keys pass: the caller decided that.
    """
    try:
        loaded = _loaded(path)
        _check_inner_algorithms(loaded[:-1])
        validated = _validation_path(path, loaded)
        context = _context(
            validated, moment, historic=historic, rule=RevocationCheckingRule.NO_CHECK
        )
        finish(async_validate_path(context, validated))
    except ValidationError as error:
        raise ChainInvalid(str(error)) from None
    except (ValueError, TypeError, KeyError):  # asn1crypto, of what it cannot read
        raise ChainInvalid("a certificate that cannot be read") from None


def check_revocation(
    path: Sequence[x509.Certificate], moment: datetime.datetime, fetchers: Fetchers
) -> None:
    """Ask for every certificate below the anchor whether it holds at `moment`.

    OCSP first, a CRL where that gives no answer; one of them has to. The fetchers must
    not wait for an event loop. Raises pyhanko-certvalidator's errors (RevokedError,
    StaleRevinfoError, other ValidationErrors), and ValueError, TypeError, KeyError of
    answers that cannot be read.
    """
    validated = _validation_path(path, _loaded(path))
    context = _context(
        validated,
        moment,
        historic=False,
        rule=RevocationCheckingRule.CRL_OR_OCSP_REQUIRED,
        fetchers=fetchers,
    )
    finish(async_validate_path(context, validated))


def _loaded(path: Sequence[x509.Certificate]) -> list[asn1.Certificate]:
    return [asn1.Certificate.load(c.public_bytes(Encoding.DER)) for c in path]


def _validation_path(
    path: Sequence[x509.Certificate], loaded: Sequence[asn1.Certificate]
) -> ValidationPath:
    *below, top = loaded
    anchor = CertTrustAnchor(top, _qualifiers(path[-1]))
    subject, *intermediates = below
    return ValidationPath(anchor, intermediates[::-1], subject)


def _check_inner_algorithms(path: Sequence[asn1.Certificate]) -> None:
    """The algorithm stands twice in a certificate, once signed (RFC 5280, 4.1.1.2)."""
    for certificate in path:
        inner = certificate["tbs_certificate"]["signature"]
        if inner.dump() != certificate["signature_algorithm"].dump():
            raise ChainInvalid("two signature algorithms in one certificate")


def _qualifiers(anchor: x509.Certificate) -> TrustQualifiers:
    """The anchor's path length counts; its dates do not, nor do its policies."""
    length = certs.path_length(anchor)
    # The library takes the second from the same place as the first, None included.
    return TrustQualifiers(max_path_length=length, max_aa_path_length=length)


def algorithm_policy(*, historic: bool) -> AlgorithmUsagePolicy:
    """Return what counts as too weak to be relied on."""
    return DisallowWeakAlgorithmsPolicy(  # type: ignore[no-untyped-call]
        _WEAK if historic else _WEAK | {"sha1"},
        rsa_key_size_threshold=_MIN_RSA_BITS_HISTORIC if historic else _MIN_RSA_BITS,
    )


def _context(
    path: ValidationPath,
    moment: datetime.datetime,
    *,
    historic: bool,
    rule: RevocationCheckingRule,
    fetchers: Fetchers | None = None,
) -> ValidationContext:
    registry = CertificateRegistry(cert_fetcher=None)
    for certificate in path.iter_certs(include_root=True):
        registry.register(certificate)
    manager = RevinfoManager(registry, POEManager(), (), (), fetchers=fetchers)
    return ValidationContext(
        trust_manager=SimpleTrustManager.build([path.trust_anchor]),
        moment=moment,
        allow_fetching=False,
        certificate_registry=registry,
        revinfo_manager=manager,
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(rule, rule)),
        algorithm_usage_policy=algorithm_policy(historic=historic),
    )


def finish(validation: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that has nothing to wait for.

    Our fetchers do not give way, and so the validation does not either: it needs no
    event loop, and a portal may call us from inside its own.
    """
    try:
        validation.send(None)
    except StopIteration:
        return
    validation.close()
    raise ChainInvalid("the validation would wait for something")
