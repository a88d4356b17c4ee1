"""Seeds of what is sent to the running agent: requests, frames, what is no TLS.

The port and the origin are those of `tests/fuzz/live.py`, which puts in the real ones.
A name begins with the status of the first answer, `000` where none can be expected.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

Seeds = Iterator[tuple[str, bytes]]

_HOST = "Host: localhost:27410\r\n"
_ORIGIN = "Origin: https://portal.example\r\n"
_OWN = f"{_HOST}{_ORIGIN}X-EID-Agent: 1\r\n"
_JSON = "Content-Type: application/json\r\n"
_STATUS = "GET /v1/status HTTP/1.1\r\n"
_POST = f"POST /v1/identity HTTP/1.1\r\n{_OWN}{_JSON}"
_BODY = '{"include":["identity"]}'
_NONCE = '{"challengeNonce":"' + "n" * 44 + '"}'
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def _sized(head: str, body: str, size: int | str | None = None) -> str:
    length = len(body) if size is None else size
    return f"{head}Content-Length: {length}\r\n\r\n{body}"


def _chunked(*pieces: str, end: str = "0\r\n\r\n") -> str:
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces)
    return f"{_POST}Transfer-Encoding: chunked\r\n\r\n{chunks}{end}"


_REQUESTS = {
    "200-status": f"{_STATUS}{_OWN}\r\n",
    "200-script": f"GET /v1/client.js HTTP/1.1\r\n{_HOST}\r\n",
    "200-pipelined": f"{_STATUS}{_OWN}\r\n" * 3,
    "200-identity": _sized(_POST, _BODY),
    "200-login": _sized(f"POST /v1/authenticate HTTP/1.1\r\n{_OWN}{_JSON}", _NONCE),
    "200-pipelined-after-a-body": _sized(_POST, _BODY) + f"{_STATUS}{_OWN}\r\n",
    "200-chunked": _chunked(_BODY[:7], _BODY[7:]),
    "200-chunk-extension": _chunked(_BODY, end="0;a=b\r\n\r\n"),
    "200-trailer": _chunked(_BODY, end="0\r\nX-Late: 1\r\n\r\n"),
    "200-waits-for-100": _sized(f"{_POST}Expect: 100-continue\r\n", _BODY),
    "200-empty-lines-before": f"\r\n\r\n{_STATUS}{_OWN}\r\n",
    "200-http-1.0": f"GET /v1/status HTTP/1.0\r\n{_OWN}\r\n",
    "400-goes-on-after-close": f"{_STATUS}{_OWN}Connection: close\r\n\r\n"
    + f"{_STATUS}{_OWN}\r\n",
    "204-preflight": f"OPTIONS /v1/identity HTTP/1.1\r\n{_HOST}{_ORIGIN}"
    "Access-Control-Request-Method: POST\r\n\r\n",
    "400-body-cut": _sized(_POST, _BODY[:-1]),
    "400-body-of-another-call": _sized(_POST, _NONCE),
    "400-no-body": f"{_POST}\r\n",
    "400-length-and-chunked": _sized(
        f"{_POST}Transfer-Encoding: chunked\r\n", f"0\r\n\r\n{_STATUS}{_OWN}\r\n"
    ),
    "400-chunked-and-length": f"{_POST}Content-Length: 4\r\nTransfer-Encoding: chunked"
    f"\r\n\r\n{len(_BODY):x}\r\n{_BODY}\r\n0\r\n\r\n",
    "400-two-lengths": _sized(f"{_POST}Content-Length: 3\r\n", _BODY),
    "400-same-length-twice": _sized(f"{_POST}Content-Length: 24\r\n", _BODY),
    "400-chunked-twice": _sized(f"{_POST}Transfer-Encoding: chunked, chunked\r\n", ""),
    "400-chunked-hidden": f"{_POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "400-chunked-first": f"{_POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "400-length-with-sign": _sized(_POST, _BODY, "+24"),
    "400-length-below-zero": _sized(_POST, _BODY, "-1"),
    "400-length-list": _sized(_POST, _BODY, "24, 24"),
    "400-length-of-other-digits": _sized(_POST, _BODY, "\xb2\xb3"),
    "400-length-beyond-64-bits": _sized(_POST, _BODY, "9" * 30),
    "400-chunk-without-size": _chunked(_BODY, end="\r\n\r\n"),
    "400-chunk-below-zero": _chunked(end="-1\r\n\r\n"),
    "400-chunk-beyond-64-bits": _chunked(end="f" * 20 + "\r\n\r\n"),
    "400-chunk-with-0x": _chunked(end=f"0x18\r\n{_BODY}\r\n0\r\n\r\n"),
    "400-chunk-ends-late": _chunked(end=f"17\r\n{_BODY}\r\n0\r\n\r\n"),
    "400-nul-in-a-header": f"{_STATUS}{_OWN}X: a\0b\r\n\r\n",
    "400-nul-in-the-target": f"GET /v1/st\0atus HTTP/1.1\r\n{_OWN}\r\n",
    "400-nul-in-the-method": f"GE\0T /v1/status HTTP/1.1\r\n{_OWN}\r\n",
    "400-space-before-colon": f"{_STATUS}{_OWN}Content-Length : 0\r\n\r\n",
    "400-folded": f"{_STATUS}{_OWN}X: a\r\n b\r\n\r\n",
    "400-lonely-cr": f"{_STATUS}{_OWN}X: a\rb\r\n\r\n",
    "400-no-name": f"{_STATUS}{_OWN}: a\r\n\r\n",
    "400-no-colon": f"{_STATUS}{_OWN}colon\r\n\r\n",
    "421-http-0.9": "GET /v1/status\r\n\r\n",
    "400-http-2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "400-http-7": f"GET /v1/status HTTP/7.7\r\n{_OWN}\r\n",
    "400-socket-without-ticket": f"GET /v1/events HTTP/1.1\r\n{_OWN}{_UPGRADE}\r\n",
    "400-expects-more": _sized(f"{_POST}Expect: 200-ok\r\n", _BODY),
    "404-long-target": f"GET /v1/{'a' * 3600} HTTP/1.1\r\n{_OWN}\r\n",
    "400-many-headers": f"{_STATUS}{_OWN}" + "A: b\r\n" * 600 + "\r\n",
    "400-own-header-twice": f"{_STATUS}{_OWN}X-EID-Agent: 1\r\n\r\n",
    "404-connect": f"CONNECT localhost:27410 HTTP/1.1\r\n{_OWN}\r\n",
    "403-two-origins": f"{_STATUS}{_OWN}{_ORIGIN}\r\n",
    "403-null-origin": f"{_STATUS}{_HOST}Origin: null\r\nX-EID-Agent: 1\r\n\r\n",
    "403-ticket-of-nobody": f"GET /v1/events HTTP/1.1\r\n{_OWN}{_UPGRADE}"
    "Sec-WebSocket-Protocol: eid-agent.v1, ticket.AAAA\r\n\r\n",
    "404-elsewhere": f"GET /v1/status/../identity HTTP/1.1\r\n{_OWN}\r\n",
    "404-encoded": f"GET /v1/%73tatus%00 HTTP/1.1\r\n{_OWN}\r\n",
    "405-trace": f"TRACE /v1/status HTTP/1.1\r\n{_OWN}\r\n",
    "405-asked-by-get": f"GET /v1/identity HTTP/1.1\r\n{_OWN}\r\n",
    "421-no-host": f"{_STATUS}{_ORIGIN}X-EID-Agent: 1\r\n\r\n",
    "421-two-hosts": f"{_STATUS}{_HOST}{_OWN}\r\n",
    "421-other-host": f"{_STATUS}Host: portal.example\r\n{_ORIGIN}\r\n",
    "000-cut-line": "GET /v1/sta",
    "000-cut-head": f"{_STATUS}{_OWN}",
    "000-cut-body": _sized(_POST, _BODY[:9], len(_BODY)),
    "000-cut-chunk": _chunked(_BODY, end="18\r\n{"),
    "000-nothing": "",
}


def http() -> Seeds:
    """Requests: right ones, and each way known to make two readers differ."""
    for name, text in _REQUESTS.items():
        yield name, text.encode("latin-1")


def frame(
    opcode: int, data: bytes, *, masked: bool = True, length: bytes = b""
) -> bytes:
    """Return a frame (RFC 6455, 5.2); `length` replaces the right one."""
    if not length:
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    head = bytes([opcode, length[0] | (0x80 if masked else 0)]) + length[1:]
    return head + (bytes(4) if masked else b"") + data


def websocket() -> Seeds:
    """Frames: right ones, and each that the standard forbids."""
    yield "text", frame(0x81, b"hello")
    yield "binary", frame(0x82, bytes(range(64)))
    yield "fragments", frame(0x01, b"a") + frame(0x00, b"b") * 3 + frame(0x80, b"c")
    yield (
        "fragments-with-ping",
        frame(0x01, b"a") + frame(0x89, b"") + frame(0x80, b"b"),
    )
    yield "two-beginnings", frame(0x01, b"a") + frame(0x01, b"b")
    yield "goes-on-with-nothing", frame(0x80, b"a")
    yield "beyond-the-limit", frame(0x82, bytes(2000))
    many = frame(0x00, bytes(500)) * 3
    yield "fragments-beyond-the-limit", frame(0x02, bytes(500)) + many
    yield "announces-2-63", frame(0x82, b"", length=b"\x7f" + b"\xff" * 8)
    yield (
        "announces-a-gigabyte",
        frame(0x82, b"x", length=b"\x7f" + bytes(4) + b"\x40\0\0\0"),
    )
    yield "not-shortest-length", frame(0x81, b"a", length=b"\x7e\0\1")
    yield "unmasked", frame(0x81, b"hello", masked=False)
    for opcode in (3, 7, 0xB, 0xF):
        yield f"opcode-{opcode:x}", frame(0x80 | opcode, b"")
    for bit in (0x40, 0x20, 0x10):
        yield f"reserved-{bit:x}", frame(0x81 | bit, b"a")
    yield "pings", frame(0x89, b"ping") * 20
    yield "pongs", frame(0x8A, b"") * 20
    yield "long-ping", frame(0x89, bytes(126))
    yield "ping-in-fragments", frame(0x09, b"a") + frame(0x80, b"b")
    yield "not-utf-8", frame(0x81, b"\xff\xfe")
    yield "close", frame(0x88, b"\x03\xe8")
    yield "close-and-more", frame(0x88, b"\x03\xe8") + frame(0x81, b"more")
    yield "close-of-one-byte", frame(0x88, b"\x03")
    yield "close-without-code", frame(0x88, b"\x03\xeebye")
    yield "close-not-utf-8", frame(0x88, b"\x03\xe8\xff")
    yield "cut", frame(0x81, b"hello")[:4]
    yield "nothing", b""
    yield "http", _REQUESTS["200-status"].encode()


def _hello() -> bytes:
    """Return how this machine's OpenSSL begins a handshake."""
    sent = ssl.MemoryBIO()
    context = ssl.create_default_context()
    handshake = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return sent.read()


def tcp() -> Seeds:
    """What stands in a handshake's place: HTTP, a cut hello, others' protocols."""
    yield "http", _REQUESTS["200-status"].encode()
    hello = _hello()
    yield "hello", hello
    yield "hello-cut", hello[:30]
    yield "hello-of-ssl-3", hello.replace(b"\x03\x03", b"\x03\x00")
    yield "record-too-long", b"\x16\x03\x01\xff\xff" + bytes(200)
    yield "alert", bytes.fromhex("15030300020228")
    yield "data-first", bytes.fromhex("1703030004") + b"data"
    yield "ssh", b"SSH-2.0-OpenSSH_9.2\r\n"
    yield "nothing", b""
