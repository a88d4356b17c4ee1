"""Whether certificates still hold, asked online: OCSP, else a CRL (SAFETY 11).

pyhanko-certvalidator judges the answers; here they are fetched and kept for a while.
"""

from __future__ import annotations

import datetime
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from asn1crypto import crl, ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from pyhanko_certvalidator.authority import Authority
from pyhanko_certvalidator.errors import (
    CRLFetchError,
    CRLValidationError,
    OCSPFetchError,
    OCSPValidationError,
    RevokedError,
    StaleRevinfoError,
    ValidationError,
)
from pyhanko_certvalidator.fetchers import (
    CertificateFetcher,
    CRLFetcher,
    Fetchers,
    OCSPFetcher,
)
from pyhanko_certvalidator.fetchers.common_utils import (
    enumerate_delivery_point_urls,
    format_ocsp_request,
    process_ocsp_response_data,
)
from pyhanko_certvalidator.util import get_ocsp_urls, get_relevant_crl_dps

from agent.relyingparty.errors import (
    CertificateRevoked,
    RelyingPartyError,
    RevocationStale,
    RevocationUnavailable,
    RevocationUnknown,
)
from agent.relyingparty.fetching import Fetcher, HttpFetcher
from agent.relyingparty.rfc5280 import algorithm_policy, check_revocation

#: How long a good answer is used again, unless it ends before by its own word.
CACHE_FOR = datetime.timedelta(minutes=10)

_MAX_OCSP = 64 * 1024
_MAX_CRL = 10 * 1024 * 1024
#: A check of two certificates needs two exchanges, four when OCSP is away.
_MAX_EXCHANGES = 8
_CACHE_ENTRIES = 10_000
_CACHE_BYTES = 64 * 1024 * 1024

#: An address and, for OCSP, the request.
_Key = tuple[str, bytes | None]


class RevocationChecker(Protocol):
    """Finds out whether a certificate was revoked."""

    def check(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> None:
        """Return when nothing in the chain is revoked at `moment`.

        `chain` runs from the holder's certificate to the anchor and was validated
        before, so that addresses in it may be asked. Raises CertificateRevoked,
        RevocationUnknown, RevocationStale or RevocationUnavailable.
        """


class OnlineRevocation:
    """Asks OCSP, else a CRL, for every certificate below the anchor; the default.

    `fetcher` says whom it may ask (by default the Federal PKI alone). An answer that
    led to a good result is used again for `cache_for`, and never beyond the time that
    the answer itself gives; others are not kept. May be used from several threads. It
    waits for the network: inside an event loop call it through `asyncio.to_thread`.
    """

    def __init__(
        self,
        fetcher: Fetcher | None = None,
        *,
        cache_for: datetime.timedelta = CACHE_FOR,
    ) -> None:
        self._fetcher = HttpFetcher() if fetcher is None else fetcher
        self._cache = _Cache(cache_for)

    def check(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> None:
        """Return when every certificate below the anchor holds at `moment`.

        Raises CertificateRevoked, RevocationUnknown, RevocationStale,
        RevocationUnavailable.
        """
        self.evidence(chain, moment)

    def evidence(
        self, chain: Sequence[x509.Certificate], moment: datetime.datetime
    ) -> Evidence:
        """Check the same and return the answers that show it."""
        asking = _Asking(self._fetcher, self._cache, moment)
        try:
            check_revocation(chain, moment, asking.fetchers())
        except RevokedError as error:
            which = "" if error.is_ee_cert else "that of the issuer"
            raise CertificateRevoked(which) from None
        except StaleRevinfoError:
            raise RevocationStale(asking.notes()) from None
        except (ValidationError, OCSPValidationError, CRLValidationError):
            # Their texts name the holder.
            raise RevocationUnavailable(asking.notes()) from None
        except RelyingPartyError:
            raise
        except Exception:  # what a stranger's bytes make of the library: AttributeError
            raise RevocationUnavailable("an answer that cannot be read") from None
        self._cache.keep(asking.fetched, moment)
        return asking.evidence()


@dataclass(frozen=True)
class Evidence:
    """Answers that certificates hold, as DER: OCSP responses and CRLs."""

    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]


@dataclass(frozen=True)
class _Answer:
    """A body, and when by its own word there will be a newer one."""

    body: bytes
    ends: datetime.datetime | None


class _Cache:
    """Answers that were found good; the oldest go when there are too many."""

    def __init__(self, cache_for: datetime.timedelta) -> None:
        self._for = cache_for
        self._kept: OrderedDict[_Key, tuple[datetime.datetime, _Answer]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: _Key, moment: datetime.datetime) -> bytes | None:
        with self._lock:
            until, answer = self._kept.get(key, (moment, None))
            return answer.body if answer is not None and moment < until else None

    def keep(
        self, answers: Iterable[tuple[_Key, _Answer]], moment: datetime.datetime
    ) -> None:
        with self._lock:
            for key, answer in answers:
                until = moment + self._for
                if answer.ends is not None:
                    until = min(until, answer.ends)
                self._drop(key)
                self._kept[key] = until, answer
                self._bytes += len(answer.body)
            while len(self._kept) > _CACHE_ENTRIES or self._bytes > _CACHE_BYTES:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        _, answer = self._kept.pop(key, (None, None))
        self._bytes -= 0 if answer is None else len(answer.body)


class _Asking:
    """What one check asks and hears; nothing goes to the cache before it ends well."""

    def __init__(
        self, fetcher: Fetcher, cache: _Cache, moment: datetime.datetime
    ) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._moment = moment
        self._policy = algorithm_policy(historic=False)
        self._exchanges = 0
        self._notes: list[str] = []
        self._answers: dict[_Key, _Answer] = {}
        self._heard: dict[_Key, bytes] = {}

    @property
    def fetched(self) -> Iterable[tuple[_Key, _Answer]]:
        """What was asked anew."""
        return self._answers.items()

    def fetchers(self) -> Fetchers:
        """Return what pyhanko-certvalidator asks through."""
        # The last one is abstract and never called: no certificate is fetched.
        return Fetchers(_Ocsp(self), _Crls(self), CertificateFetcher())

    def notes(self) -> str:
        """Return why there was no usable answer, without a word of the answers."""
        return "; ".join(dict.fromkeys(self._notes)) or (
            "no answer to be relied on, or no address to ask"
        )

    def note(self, text: str) -> None:
        """Remember a reason."""
        self._notes.append(text)

    def body(self, key: _Key, limit: int) -> bytes:
        """Return an answer from the cache or the network; raises OSError."""
        known = self._cache.get(key, self._moment)
        if known is not None:
            return known
        if key in self._answers:
            return self._answers[key].body
        if self._exchanges >= _MAX_EXCHANGES:
            raise OSError("too many addresses")
        self._exchanges += 1
        url, request = key
        return self._fetcher.fetch(url, limit=limit, request=request)

    def heard(self, key: _Key, body: bytes, ends: datetime.datetime | None) -> None:
        """Remember an answer that has the right form."""
        self._heard[key] = body
        if self._cache.get(key, self._moment) is None:
            self._answers[key] = _Answer(body, ends)

    def evidence(self) -> Evidence:
        """Return the answers of the right form, new or kept."""
        asked = self._heard.items()
        return Evidence(
            tuple(body for (_, request), body in asked if request is not None),
            tuple(body for (_, request), body in asked if request is None),
        )

    def is_weak(self, algorithm: Any) -> bool:
        """Tell whether an answer is signed with SHA-1 or alike.

        pyhanko-certvalidator holds certificates to the policy, and not the answers.
        """
        return not self._policy.signature_algorithm_allowed(
            algorithm, self._moment, None
        )


class _Ocsp(OCSPFetcher):
    """Asks the responders that a certificate names, the next where one gives nothing.

    No nonce: the Federal responders may sign in advance, and an answer is kept anyway.
    """

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking

    async def fetch(
        self, cert: asn1.Certificate, authority: Authority
    ) -> ocsp.OCSPResponse:
        request = format_ocsp_request(
            cert, authority, certid_hash_algo="sha1", request_nonces=False
        )
        for url in get_ocsp_urls(cert):
            try:
                return self._ask(url, request)
            except (OSError, ValueError, TypeError, KeyError, OCSPValidationError) as e:
                self._asking.note(f"OCSP: {_reason(e)}")
        raise OCSPFetchError("no OCSP answer")

    def _ask(self, url: str, request: ocsp.OCSPRequest) -> ocsp.OCSPResponse:
        key = url, request.dump()
        body = self._asking.body(key, _MAX_OCSP)
        answer = process_ocsp_response_data(body, ocsp_request=request, ocsp_url=url)
        basic = answer.basic_ocsp_response
        if self._asking.is_weak(basic["signature_algorithm"]):
            raise OSError("an answer signed with a weak algorithm")
        singles = list(answer.response_data["responses"])
        if any(single["cert_status"].name == "unknown" for single in singles):
            # Not a matter for a CRL, which lists what was revoked and not what exists.
            raise RevocationUnknown
        ends = [single["next_update"].native for single in singles]
        self._asking.heard(key, body, min((e for e in ends if e), default=None))
        return answer

    def fetched_responses(self) -> Iterable[ocsp.OCSPResponse]:
        return ()

    def fetched_responses_for_cert(
        self, cert: asn1.Certificate
    ) -> Iterable[ocsp.OCSPResponse]:
        return ()


class _Crls(CRLFetcher):
    """Fetches a certificate's CRLs, from each place the first that answers."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking

    async def fetch(
        self, cert: asn1.Certificate, *, use_deltas: bool | None = None
    ) -> Iterable[crl.CertificateList]:
        found = []
        for place in get_relevant_crl_dps(cert, use_deltas=False):
            for url in enumerate_delivery_point_urls(place):
                try:
                    found.append(self._ask(url))
                    break
                except (OSError, ValueError, TypeError, KeyError) as e:
                    self._asking.note(f"CRL: {_reason(e)}")
        if not found:
            raise CRLFetchError("no CRL")
        return found

    def _ask(self, url: str) -> crl.CertificateList:
        body = self._asking.body((url, None), _MAX_CRL)
        answer = crl.CertificateList.load(body, strict=True)
        if self._asking.is_weak(answer["signature_algorithm"]):
            raise OSError("a list signed with a weak algorithm")
        ends = answer["tbs_cert_list"]["next_update"].native
        self._asking.heard((url, None), body, ends)
        return answer

    def fetched_crls(self) -> Iterable[crl.CertificateList]:
        return ()

    def fetched_crls_for_cert(
        self, cert: asn1.Certificate
    ) -> Iterable[crl.CertificateList]:
        raise KeyError


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, OSError) else "an answer without use"


#: The default of every validator.
ONLINE = OnlineRevocation()
