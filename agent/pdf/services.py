"""The services that a signature needs: time stamps and revocation; touches the network.

Whom they may ask is decided here and never by a document or a page (SAFETY 11): a time
stamp service that a person or the administrator named, and for revocation the listed
hosts, once a chain leads to an anchor.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.pdf.timestamps import MAX_ANSWER
from agent.relyingparty import certificates, roots
from agent.relyingparty.errors import CertificateRevoked, RelyingPartyError
from agent.relyingparty.fetching import Fetcher, HttpFetcher
from agent.relyingparty.revocation import OnlineRevocation

#: For one answer of a time stamp service.
_STAMP_SECONDS = 10.0
#: Certificates in a path, the anchor's among them.
_MAX_PATH = 6

#: Asks a time stamp service: request to answer, both as DER (RFC 3161); OSError.
Timestamp = Callable[[bytes], Awaitable[bytes]]


class RevocationUnavailable(Exception):
    """Nobody says whether a certificate was revoked."""

    code = "timestamp-unavailable"
    sentence = "revocation-unavailable"


class ChainUntrusted(RevocationUnavailable):
    """No path leads to a trusted root, and so nobody was asked."""

    sentence = "revocation-untrusted"


class Revoked(Exception):
    """A certificate was revoked."""

    code = "certificate-expired"
    sentence = "certificate-revoked"


@dataclass(frozen=True)
class Proof:
    """That certificates hold, as DER: their path, and the answers about them."""

    certificates: tuple[bytes, ...] = field(repr=False)
    ocsps: tuple[bytes, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(repr=False)

    def __add__(self, other: Proof) -> Proof:
        """Return both, each part once."""
        return Proof(
            tuple(dict.fromkeys(self.certificates + other.certificates)),
            tuple(dict.fromkeys(self.ocsps + other.ocsps)),
            tuple(dict.fromkeys(self.crls + other.crls)),
        )


class Revocation:
    """Asks whether the certificates of a chain hold, and returns what shows it.

    Trusted are Belgium's roots and `cas`. `fetcher` says whom it may ask: by default
    the Federal PKI alone.
    """

    def __init__(
        self, cas: Iterable[x509.Certificate] = (), fetcher: Fetcher | None = None
    ) -> None:
        self._cas = tuple(cas)
        self._fetcher = fetcher

    async def proof(self, chain: Sequence[bytes]) -> Proof:
        """Return what shows that the first certificate and those above it hold now.

        The others of `chain` (DER) are where its path is looked for. Revoked,
        RevocationUnavailable, ChainUntrusted.
        """
        return await asyncio.to_thread(self._proof, chain)

    def _proof(self, chain: Sequence[bytes]) -> Proof:
        now = datetime.datetime.now(datetime.UTC)
        try:
            path = self._path([certificates.load(each) for each in chain])
            # Nothing is kept: an answer from before the signature shows less.
            found = OnlineRevocation(
                self._fetcher, cache_for=datetime.timedelta()
            ).evidence(path, now)
        except CertificateRevoked:
            raise Revoked from None
        except RelyingPartyError as error:
            raise RevocationUnavailable(str(error)) from None
        ders = tuple(each.public_bytes(Encoding.DER) for each in path)
        return Proof(ders, found.ocsps, found.crls)

    def _path(self, given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        """Return the path of the first to an anchor, each signature verified."""
        known = [*given[1:], *self._cas]
        path = [given[0]]
        while not self._is_anchor(path[-1]):
            above = (
                ca
                for ca in known
                if ca not in path
                and certificates.is_ca(ca)
                and certificates.may_have_issued(ca, path[-1])
                and certificates.is_signed_by(path[-1], ca)
            )
            found = next(above, None)
            if found is None or len(path) == _MAX_PATH:
                raise ChainUntrusted
            path.append(found)
        if len(path) == 1:
            raise ChainUntrusted
        return path

    def _is_anchor(self, certificate: x509.Certificate) -> bool:
        return certificate in self._cas or roots.is_belgian(certificate)


def timestamps_of(url: str) -> Timestamp:
    """Return what asks the service at an address; ValueError.

    Whoever named it chose it, be it in their own network.
    """
    fetcher = HttpFetcher([_place(url)], allow_private=True, timeout=_STAMP_SECONDS)
    kind = "application/timestamp-query"

    async def stamp(request: bytes) -> bytes:
        return await asyncio.to_thread(
            fetcher.fetch, url, limit=MAX_ANSWER, request=request, kind=kind
        )

    return stamp


def _place(url: str) -> str:
    """Return a service's host, with its port where that is not 80; ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ValueError("not of the form http://host/path")
    return parts.hostname + ("" if parts.port in (None, 80) else f":{parts.port}")
