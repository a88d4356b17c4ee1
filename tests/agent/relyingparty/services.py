"""OCSP and CRL services of a test PKI, over real HTTP on loopback.

Each authority has `/ocsp/NAME` and `/crl/NAME`. What they answer can be set: the status
of a certificate, the times, who signs; or another answer altogether, for one address.
"""

from __future__ import annotations

import datetime
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.agent.relyingparty import pki

HOUR = datetime.timedelta(hours=1)
REVOKED_AT = pki.NOW - 3 * HOUR


@dataclass
class Authority:
    """A CA, what it issued, and how it answers."""

    pair: pki.Pair
    issued: dict[int, x509.Certificate] = field(default_factory=dict)
    #: Serial numbers.
    revoked: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    #: Of the answers: when made, and when by their own word the next is.
    made: datetime.datetime = pki.NOW - HOUR
    ends: datetime.datetime = pki.NOW + HOUR
    #: Who signs instead of the CA itself.
    responder: pki.Pair | None = None
    crl_signer: pki.Pair | None = None
    crl_hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA384)

    def ocsp(self, request: bytes) -> bytes:
        """Answer a DER request, which names one certificate."""
        serial = ocsp.load_der_ocsp_request(request).serial_number
        signer = self.responder or self.pair
        status = ocsp.OCSPCertStatus.GOOD
        if serial in self.unknown:
            status = ocsp.OCSPCertStatus.UNKNOWN
        if serial in self.revoked:
            status = ocsp.OCSPCertStatus.REVOKED
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            self.issued[serial],
            self.pair.cert,
            hashes.SHA1(),
            status,
            self.made,
            self.ends,
            REVOKED_AT if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.cert)
        if self.responder is not None:
            builder = builder.certificates([signer.cert])
        return builder.sign(signer.key, hashes.SHA384()).public_bytes(Encoding.DER)

    def crl(self) -> bytes:
        """Return the list of what is revoked."""
        signer = self.crl_signer or self.pair
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.pair.cert.subject)
            .last_update(self.made)
            .next_update(self.ends)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(REVOKED_AT)
                .build()
            )
        return builder.sign(signer.key, self.crl_hash).public_bytes(Encoding.DER)


Handler = http.server.BaseHTTPRequestHandler


@dataclass
class Services:
    """A root, a Citizen CA, a holder, and the services that know them."""

    port: int
    #: Kinds of address that certificates get.
    kinds: tuple[str, ...] = ("ocsp", "crl")
    host: str = "127.0.0.1"
    authorities: dict[str, Authority] = field(default_factory=dict)
    #: `POST /ocsp/ca` and so on, in the order in which they were asked.
    asked: list[str] = field(default_factory=list)
    #: Other answers by path: they get the handler and write to it.
    #: Answers requests for time stamps, at `/tsa`.
    stamps: Callable[[bytes], bytes] | None = None
    instead: dict[str, Callable[[Handler], Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The host as a list of hosts has it."""
        return f"{self.host}:{self.port}"

    @property
    def root(self) -> Authority:
        """The root, which issued the CA."""
        return self.authorities["root"]

    @property
    def ca(self) -> Authority:
        """The CA, which issued the holder's certificate."""
        return self.authorities["ca"]

    @property
    def holder(self) -> pki.Pair:
        """The holder."""
        return self._holder

    def build(self) -> None:
        """Issue the certificates."""
        self.authorities["root"] = Authority(pki.root())
        issuer = pki.ca(
            pki.citizen_ca().cert.subject,
            pki.root(),
            ca_key=pki.key("citizen"),
            more=self.addresses("root"),
        )
        self.authorities["ca"] = Authority(issuer)
        self.know("root", issuer)
        self._holder = pki.holder(issuer, more=self.addresses("ca"))
        self.know("ca", self._holder)

    def know(self, authority: str, issued: pki.Pair) -> None:
        """Let an authority's responder know a certificate."""
        self.authorities[authority].issued[issued.cert.serial_number] = issued.cert

    def addresses(self, authority: str) -> tuple[x509.ExtensionType, ...]:
        """Return the extensions by which certificates of an authority name services."""
        base = f"http://{self.name}"
        extensions: list[x509.ExtensionType] = []
        if "ocsp" in self.kinds:
            url = x509.UniformResourceIdentifier(f"{base}/ocsp/{authority}")
            asks = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)
            extensions.append(x509.AuthorityInformationAccess([asks]))
        if "crl" in self.kinds:
            url = x509.UniformResourceIdentifier(f"{base}/crl/{authority}")
            place = x509.DistributionPoint([url], None, None, None)
            extensions.append(x509.CRLDistributionPoints([place]))
        return tuple(extensions)

    def answer(self, handler: Handler, request: bytes | None) -> None:
        """Serve one request."""
        self.asked.append(f"{handler.command} {handler.path}")
        if handler.path in self.instead:
            self.instead[handler.path](handler)
            return
        if self.stamps is not None and request is not None and handler.path == "/tsa":
            send(handler, self.stamps(request))
            return
        _, _, name = handler.path.split("/")
        authority = self.authorities[name]
        body = authority.crl() if request is None else authority.ocsp(request)
        send(handler, body)


def responder(
    issuer: pki.Pair, *, purpose: bool = True, no_check: bool = True, **options: Any
) -> pki.Pair:
    """Issue a certificate for answering in the name of a CA."""
    extensions: list[x509.ExtensionType] = [pki.usage("digital_signature")]
    if purpose:
        extensions.append(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]))
    if no_check:
        extensions.append(x509.OCSPNoCheck())
    subject = pki.name(C="BE", CN="Belgium OCSP Responder")
    return pki.issue(subject, issuer, pki.key("responder"), *extensions, **options)


def send(handler: Handler, body: bytes, status: int = 200, **headers: str) -> None:
    """Write a whole answer."""
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(**options: Any) -> Iterator[Services]:
    """Run the services until the block ends."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            services.answer(self, None)

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            services.answer(self, self.rfile.read(size))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        services = Services(server.server_port, **options)
        services.build()
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield services
        finally:
            server.shutdown()
            thread.join()
