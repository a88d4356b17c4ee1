"""Mutators for what goes to the running agent: they know lines, lengths and frames."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.fuzz.live_seeds import frame

Mutator = Callable[[random.Random, Sequence[bytes]], bytes]

#: Beyond this an input would only take time.
_MAX = 80_000
#: Bytes that some reader of HTTP takes for something else than another does.
_BYTES = (
    b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b" ", b"\t", b"\x0b", b"\x7f", b"\x85",
    b"\xa0", b"\xff", b":", b";", b",", b"=", b'"', b"/", b"%00", b"%2f", b"#", b"?",
    b"\xc2\xa0", b"\xe2\x80\xa8", b"\x1f", b"+", b"-", b"_", b"0x", b"\xef\xbb\xbf",
)  # fmt: skip
_LINES = (
    b"Content-Length: 0", b"Content-Length: 24", b"Content-Length: 99999",
    b"content-length:24", b"Content-Length: 18446744073709551616",
    b"Content_Length: 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked", b"transfer-encoding:\tchunked",
    b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Expect: 100-continue",
    b"Expect:", b"Connection: close", b"Connection: keep-alive", b"Connection: Upgrade",
    b"Connection: close, Upgrade", b"Upgrade: websocket", b"Upgrade: h2c",
    b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Sec-WebSocket-Version: 8",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", b"Sec-WebSocket-Key: x",
    b"Sec-WebSocket-Protocol: eid-agent.v1, ticket.", b"Host: localhost:27410",
    b"Host: portal.example", b"Host:", b"Origin: https://portal.example",
    b"Origin: null", b"Origin: https://other.example", b"X-EID-Agent: 1",
    b"X-EID-Agent: 2", b"Content-Type: application/json", b"Content-Type: text/plain",
    b"Cookie: a=b", b"Range: bytes=0-1", b"If-None-Match: *", b"TE: trailers",
    b"Trailer: Origin", b"Accept-Language: nl;q=nan", b"Accept-Encoding: gzip",
    b"Forwarded: host=portal.example", b"X-Forwarded-Host: portal.example",
    b"X-HTTP-Method-Override: POST", b"Access-Control-Request-Method: POST",
    b"Access-Control-Request-Private-Network: true",
)  # fmt: skip
_METHODS = (
    b"GET", b"POST", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT",
    b"PRI", b"get", b"M-SEARCH", b"",
)  # fmt: skip
_TARGETS = (
    b"/v1/status", b"/v1/readers", b"/v1/events", b"/v1/identity", b"/v1/authenticate",
    b"/v1/openapi.json", b"/v1/client.js", b"/", b"*", b"//v1/status", b"/v1/status?a",
    b"/v1/../v1/status", b"https://portal.example/v1/status", b"/v1/identity#a",
    b"localhost:27410", b"/v1/%69dentity", b"\\v1\\status", b"/v1/status/", b"",
    b"http://[", b"https://localhost:27410/v1/identity",
)  # fmt: skip
_VERSIONS = (
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.11",
    b"ICY",
    b"",
)
_SIZES = (
    b"0",
    b"1",
    b"-1",
    b"+5",
    b"0x5",
    b"5 ",
    b"00005",
    b"ffffffffffffffff",
    b"",
    b"5;a",
)


def mutate_http(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Change a request, or what follows it on the same connection, a few times."""
    data = rng.choice(corpus)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        data = rng.choice(_OF_HTTP)(rng, data)
    if rng.random() < 0.15:
        data += rng.choice(corpus)
    return data[:_MAX]


def mutate_websocket(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """String frames together, and change some of their bytes."""
    data = b"".join(rng.choice(corpus) for _ in range(rng.choice((1, 1, 2, 4))))
    if rng.random() < 0.3:
        data += _any_frame(rng)
    for _ in range(rng.choice((0, 1, 1, 3))):
        data = rng.choice((_flip, _flip, _insert, _drop, _cut))(rng, data)
    return data[:_MAX]


def mutate_tcp(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Change a few bytes of what begins a conversation."""
    data = rng.choice(corpus)
    for _ in range(rng.choice((1, 2, 4, 8))):
        data = rng.choice((_flip, _flip, _insert, _drop, _cut, _repeat))(rng, data)
    return data[:_MAX]


MUTATORS: dict[str, Mutator] = {
    "http": mutate_http,
    "websocket": mutate_websocket,
    "tcp": mutate_tcp,
}


def _any_frame(rng: random.Random) -> bytes:
    data = rng.randbytes(rng.choice((0, 1, 5, 125, 126, 1024, 1025, 60_000)))
    length = rng.choice(
        (b"", b"", bytes([rng.randrange(128)]), b"\x7e" + rng.randbytes(2))
    )
    return frame(rng.randrange(256), data, masked=rng.random() < 0.8, length=length)


# --- bytes ---------------------------------------------------------------------------


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _flip(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return rng.randbytes(1)
    place = rng.randrange(len(data))
    return data[:place] + rng.randbytes(1) + data[place + 1 :]


def _insert(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    piece = (
        rng.choice(_BYTES) if rng.random() < 0.8 else rng.randbytes(rng.randint(1, 40))
    )
    return data[:place] + piece + data[place:]


def _drop(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + data[place + rng.choice((1, 1, 2, 10, 40)) :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    piece = data[place : place + rng.choice((1, 4, 60))]
    return data[:place] + piece * rng.choice((2, 10, 300, 5000)) + data[place:]


# --- lines ---------------------------------------------------------------------------


def _a_line(rng: random.Random, data: bytes) -> tuple[list[bytes], int]:
    """Return the lines, and one of the head's."""
    lines = data.split(b"\r\n")
    head = lines.index(b"") if b"" in lines else len(lines)
    return lines, rng.randrange(max(head, 1))


def _joined(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines)


def _add_line(rng: random.Random, data: bytes) -> bytes:
    lines, place = _a_line(rng, data)
    lines.insert(place + 1, rng.choice(_LINES))
    return _joined(lines)


def _take_line(rng: random.Random, data: bytes) -> bytes:
    lines, place = _a_line(rng, data)
    del lines[place]
    return _joined(lines)


def _double_line(rng: random.Random, data: bytes) -> bytes:
    lines, place = _a_line(rng, data)
    lines.insert(place, lines[place])
    return _joined(lines)


def _bend_line(rng: random.Random, data: bytes) -> bytes:
    """Write a header otherwise: its case, its colon, folded, in quotes."""
    lines, place = _a_line(rng, data)
    name, _, value = lines[place].partition(b":")
    lines[place] = rng.choice(
        (
            name.swapcase() + b":" + value,
            name + b" :" + value,
            b" " + name + b":" + value,
            name + b":\r\n " + value,
            name + b":" + value.strip(),
            name + b':"' + value.strip() + b'"',
            name + b":" + value + b"," + value,
            name.replace(b"-", b"_") + b":" + value,
            name + b":" + value + b" \t ",
            name + value,
        )
    )
    return _joined(lines)


def _bend_ends(rng: random.Random, data: bytes) -> bytes:
    """End some lines in another way."""
    lines, place = _a_line(rng, data)
    end = rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\r\n", b"\r\n\r\n"))
    return _joined(lines[: place + 1]) + end + _joined(lines[place + 1 :])


def _other_request_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    words = [*lines[0].split(b" "), b"", b""][:3]
    place = rng.randrange(3)
    words[place] = rng.choice((_METHODS, _TARGETS, _VERSIONS)[place])
    lines[0] = rng.choice((b" ", b" ", b" ", b"  ", b"\t", b"\0")).join(words)
    return _joined(lines)


def _other_size(rng: random.Random, data: bytes) -> bytes:
    """Let a length say something else."""
    head, name, rest = data.partition(b"Content-Length: ")
    if not name:
        head, name, rest = data.partition(b"\r\n\r\n")  # a chunk's
    _, end, rest = rest.partition(b"\r\n")
    size = rng.choice((*_SIZES, str(rng.randrange(70_000)).encode()))
    return head + name + size + end + rest


def _in_chunks(rng: random.Random, data: bytes) -> bytes:
    """Send a body in chunks, right ones or nearly."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [
        line
        for line in head.split(b"\r\n")
        if rng.random() < 0.2 or not line.lower().startswith(b"content-length")
    ]
    chunks = b""
    while body:
        piece, body = body[: (size := rng.choice((1, 5, 4000)))], body[size:]
        length = b"%x" % len(piece) if rng.random() < 0.9 else rng.choice(_SIZES)
        extension = rng.choice((b"", b"", b";a", b';a="b"', b";" + b"a" * 300))
        chunks += length + extension + b"\r\n" + piece + b"\r\n"
    trailer = rng.choice(
        (b"", b"", b"Origin: null\r\n", b"A: " + b"b" * 5000 + b"\r\n")
    )
    lines.append(b"Transfer-Encoding: chunked")
    return _joined(lines) + b"\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


def _other_body(rng: random.Random, data: bytes) -> bytes:
    """Change a body, and say its length as it is."""
    head, end, body = data.partition(b"\r\n\r\n")
    body = rng.choice((_flip, _insert, _drop, _cut, _repeat))(rng, body)
    lines = head.split(b"\r\n")
    for place, line in enumerate(lines):
        if line.startswith(b"Content-Length:"):
            lines[place] = b"Content-Length: %d" % len(body)
    return _joined(lines) + end + body


_OF_HTTP: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _insert, _insert, _drop, _cut, _repeat, _add_line, _add_line, _add_line,
    _take_line, _double_line, _bend_line, _bend_line, _bend_ends, _other_request_line,
    _other_request_line, _other_size, _other_size, _in_chunks, _other_body, _other_body,
)  # fmt: skip
