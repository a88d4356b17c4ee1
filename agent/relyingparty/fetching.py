"""Fetches revocation data over plain HTTP, within limits (SAFETY 11).

OCSP and CRL are signed and published over HTTP by their nature (RFC 5280, 8). An
address comes from a certificate, so what it may reach is decided here: listed hosts,
public addresses, no redirects, no proxy, so much and so long.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Protocol
from urllib.parse import urlsplit

#: Where the Federal PKI answers for Belgian cards.
FEDERAL_HOSTS = frozenset(
    {
        "crl.eid.belgium.be",
        "crl.eidpki.belgium.be",
        "ocsp.eid.belgium.be",
        "ocsp.eidpki.belgium.be",
    }
)

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
#: All IPv6 addresses that the Internet has (RFC 4291, 2.4; IANA's registry).
_UNICAST = ipaddress.IPv6Network("2000::/3")
#: IPv6 that stands for an IPv4 address (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Fetcher(Protocol):
    """What asks OCSP and CRL services; a portal behind a proxy brings its own."""

    def fetch(self, url: str, *, limit: int, request: bytes | None = None) -> bytes:
        """Return the body at `url`, of at most `limit` bytes: GET, or POST a request.

        Raises OSError for everything that is no such answer.
        """


OCSP_REQUEST = "application/ocsp-request"


class HttpFetcher:
    """Asks listed hosts at public addresses, and nobody else.

    `hosts`: names in lower case, with `:port` where it is not 80. `allow_private`:
    addresses of a private network are reached too. `timeout`: seconds for one exchange
    from the first look-up of the name to the last byte.
    """

    def __init__(
        self,
        hosts: Iterable[str] = FEDERAL_HOSTS,
        *,
        allow_private: bool = False,
        timeout: float = 5.0,
    ) -> None:
        self._hosts = frozenset(hosts)
        self._allow_private = allow_private
        self._timeout = timeout

    def fetch(
        self,
        url: str,
        *,
        limit: int,
        request: bytes | None = None,
        kind: str = OCSP_REQUEST,
    ) -> bytes:
        """Return the body at `url`; `kind` is the type of a request; OSError."""
        host, port, target = self._place(url)
        connection = _Connection(host, port, self._timeout, self._allow_private)
        answer: Future[bytes] = Future()

        def exchange() -> None:
            try:
                answer.set_result(connection.exchange(target, request, limit, kind))
            except OSError as error:
                answer.set_exception(error)
            except (http.client.HTTPException, ValueError):
                answer.set_exception(OSError("no answer in the form of HTTP"))

        # A thread, since neither a name's look-up nor a drip of bytes knows a deadline.
        threading.Thread(target=exchange, daemon=True).start()
        try:
            return answer.result(self._timeout)
        except TimeoutError:
            raise OSError(f"no answer of {host} in time") from None
        finally:
            connection.abort()

    def _place(self, url: str) -> tuple[str, int, str]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            raise OSError("an address that cannot be read") from None
        if parts.scheme != "http" or "@" in parts.netloc or not _HOST.fullmatch(host):
            raise OSError("an address that is not of the form http://host")
        name = host if port == 80 else f"{host}:{port}"
        if name not in self._hosts:
            raise OSError(f"{name} is not among the listed hosts")
        query = f"?{parts.query}" if parts.query else ""
        return host, port, (parts.path or "/") + query


class _Connection(http.client.HTTPConnection):
    """One exchange, to an address that was judged before it is connected to."""

    def __init__(
        self, host: str, port: int, timeout: float, allow_private: bool
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self._allow_private = allow_private
        self._raw: socket.socket | None = None
        self._aborted = False

    def connect(self) -> None:
        """Look the name up once and connect to what may be reached, else OSError."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(place[0]) for *_, place in found]
        if not self._allow_private:
            addresses = [address for address in addresses if is_public(address)]
            if not addresses:
                raise OSError(f"{self.host} has no public address")
        self.sock = self._raw = self._first(addresses)
        if self._aborted:
            self.abort()

    def _first(self, addresses: list[str]) -> socket.socket:
        for address in addresses:
            with suppress(OSError):
                return socket.create_connection((address, self.port), self.timeout)
        raise OSError(f"{self.host} cannot be reached")

    def exchange(
        self, target: str, request: bytes | None, limit: int, kind: str
    ) -> bytes:
        """Send the one request and read its answer."""
        headers = {"Connection": "close"}
        if request is not None:
            headers["Content-Type"] = kind
        with closing(self):
            self.request("GET" if request is None else "POST", target, request, headers)
            with self.getresponse() as answer:
                return self._body(answer, limit)

    def _body(self, answer: http.client.HTTPResponse, limit: int) -> bytes:
        if 300 <= answer.status < 400:
            raise OSError(f"{self.host} redirects")
        if answer.status != http.client.OK:
            raise OSError(f"{self.host} answers with status {answer.status}")
        # What is announced is known before any of it is read.
        if (answer.length or 0) > limit or len(body := answer.read(limit + 1)) > limit:
            raise OSError(f"the answer of {self.host} is too large")
        return body

    def abort(self) -> None:
        """End the exchange from another thread, wherever it is."""
        self._aborted = True
        if self._raw is not None:
            with suppress(OSError):  # it may have ended by itself
                self._raw.shutdown(socket.SHUT_RDWR)


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(ip.packed[-4:])
        elif ip not in _UNICAST or ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast
