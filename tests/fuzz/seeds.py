"""`python -m tests.fuzz.seeds`: write `fixtures/corpus` anew, a folder a target.

Everything is made here: files of the virtual card's personas, a PKI of nobody, edge
cases by hand. Inputs that once crashed a target are among the latter, with their
reason. Files that this does not make are taken away.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator

from agent.journal import Entry
from agent.origins import Grant, Stored
from cardio.files import EF
from cardio.tlv import encode
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import load_profile
from tests.agent.hostile import HOSTILE
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.cards import answer, chip_answer
from tests.agent.relyingparty.login import NONCE
from tests.fuzz import live_seeds, people
from tests.fuzz.conversation import join_commands
from tests.fuzz.portal import token_of
from tests.fuzz.targets import SEEDS

MAX_SIZE = 4096

Seeds = Iterator[tuple[str, bytes]]

_HEX_TLV = {
    "empty": "",
    "zeros": "00000000",
    "version": "00020002",
    "version-of-no-bytes": "0000010141",
    "padded": "0101410000FF17",
    "cut-value": "0105AABB",
    "cut-length": "01FFFF",
    "twice": "010141010142",
    "length-255": "01FF00" + "41" * 255,
    "length-300": "01FF2D" + "41" * 300,
    "unknown-tag": "FE0141",
}
_HEX_DER = {
    "short": "3003AABBCC",
    "none": "3000",
    "long-1": "308180",
    "long-2": "30820100",
    "long-4": "308400010000",
    "not-minimal": "30840000000100",
    "indefinite": "3080",
    "reserved": "30FF",
    "too-long": "308500000000",
    "cut": "308201",
}
_BIRTHS = {
    "nl": "07 MAAR 1981",
    "fr": "07 AOÛT  1981",
    "de": "07.MÄR.1981",
    "de-space": "13.AUG. 1996",
    "year": "1962",
    "month": "   MEI  1960",
    "day-zero": "00 MEI 1960",
    "no-day": "30 FEB 1971",
    "no-month": "01 XYZ 1971",
    "digits": "01 JAN ١٩٧١",
}


def _hex(table: dict[str, str]) -> Seeds:
    for name, digits in table.items():
        yield name, bytes.fromhex(digits)


def _persona_files(ef: EF) -> Seeds:
    for name in PERSONAS:
        data = load_profile(name).files.get(ef)
        if data is not None:
            yield name, data


def tlv() -> Seeds:
    """Every form of a length, and a whole file of a card."""
    yield from _hex(_HEX_TLV)
    yield "long-names", load_profile("long-names").files[EF.IDENTITY]


def der_length() -> Seeds:
    """Each form of BER's lengths."""
    yield from _hex(_HEX_DER)


def identity_file() -> Seeds:
    """The personas' files; birth dates of the three languages; texts that are none."""
    yield from _persona_files(EF.IDENTITY)
    for name, text in _BIRTHS.items():
        yield f"birth-{name}", encode({0x0C: text.encode()})
    yield "every-tag", encode({0: b"\0\5", **dict.fromkeys(range(1, 32), b"")})
    yield "dates", encode({3: b"01.03.2024", 4: b"31.02.2034", 0x1F: b"29.02.2024"})
    yield "not-utf-8", encode({7: b"Peeters\xff"})
    yield "codes", encode({0x0D: b"W", 0x0F: b"036", 0x10: b"0\0", 0x12: b" 01 "})


def address_file() -> Seeds:
    """The personas' files, and one that is no address."""
    yield from _persona_files(EF.ADDRESS)
    yield "zeros", bytes(117)
    yield "not-utf-8", encode({1: b"Rue de l'\xc9t\xe9 1"})


def response() -> Seeds:
    """The families of status words, the longest answer, and too long a one."""
    for digits in ("9000", "6100", "6C05", "63C2", "6983", "0000", "90", "", "A000"):
        yield digits or "empty", bytes.fromhex(digits)
    yield "longest", bytes(256) + b"\x90\x00"
    yield "too-long", bytes(257) + b"\x90\x00"


_COMMANDS = {
    "select": "00A4080C04DF014031",
    "select-aid": "00A4040C0FA00000003029057000AD13100101FF",
    "read": "00B0000000",
    "record": "80B2010400",
    "card-data": "80E400001C",
    "extended": "80E400011F",
    "verify": "0020000108241234FFFFFFFFFF",
    "wrong-pin": "0020000108249999FFFFFFFFFF",
    "status": "0020000100",
    "change": "0024000110241234FFFFFFFFFF244321FFFFFFFFFF",
    "unblock": "002C000108241234FFFFFFFFFF",
    "challenge": "0084000008",
    "chip": "0088000030" + "00" * 48,
    "log-off": "80E60000",
    "cut": "0020",
    "channel": "01A4040C00",
}


def masked() -> Seeds:
    """Each command."""
    yield from _hex(_COMMANDS)


def card_data() -> Seeds:
    """Both lengths, the applets, more tries than there are."""
    for applet in (0x01, 0x11, 0x17, 0x18, 0x19):
        plain = bytes(range(16)) + bytes([0xA5, 3, 1, 1, 1, applet, 0, 1, 0x11, 0, 2])
        data = plain + b"\x0f"
        yield f"{applet:02x}", data
        yield f"{applet:02x}-tries", data + b"\3\xff\xff"
    yield "too-many-tries", data[:21] + b"\x18" + data[22:] + b"\4\xff\xff"
    yield "no-pin", data[:21] + b"\x18" + data[22:] + b"\xff\xff\xff"


def pin() -> Seeds:
    """Lengths at the border, and what is no digit."""
    for text in ("1234", "123", "123456789012", "1234567890123", "12a4", "\uff11234"):
        yield str(len(text)) + ("" if text.isascii() else "-wide"), text.encode()
    yield "empty", b""


def _session(*commands: str, first: int = 0) -> bytes:
    """Write a conversation as the target reads it."""
    return bytes([first]) + join_commands(
        bytes.fromhex(_COMMANDS.get(command, command)) for command in commands
    )


def virtual_card() -> Seeds:
    """Reading, signing, PIN change and refusals, for both applets, strict and not."""
    fetch = "00C0000060"
    for first, algorithm, digest, word in (
        (0, "08", 32, "17"),
        (1, "40", 48, "18"),
        (2, "01", 20, "17-strict"),
        (3, "40", 48, "18-strict"),
    ):
        mse = f"002241B6050480{algorithm}8482"
        pso = f"002A9E9A{digest:02X}" + "11" * digest
        twice = mse.replace("8482", "8483")
        for name, commands in {
            "read": ("card-data", "extended", "select", "read", "00B0010000", "record"),
            "sign": (mse, "verify", pso, fetch, pso, fetch, "log-off", pso),
            "sign-once": (twice, "verify", pso, fetch, pso),
            "no-pin": (mse, pso, "status"),
            "change": ("change", "status", mse, pso, "log-off", "status"),
            "blocked": ("wrong-pin", "wrong-pin", "wrong-pin", "verify", "status"),
            "others": ("challenge", "chip", fetch, "unblock", "channel", "cut"),
        }.items():
            yield f"{name}-{word}", _session(*commands, first=first)


def _json(members: object) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode(errors="surrogatepass")


_BODIES: dict[str, bytes] = {
    "empty": b"",
    "object": b"{}",
    "array": b"[]",
    "twice": b'{"lang":"nl","lang":"fr"}',
    "constant": b'{"lang":NaN}',
    "unknown": b'{"a":1}',
    "surrogate": b'{"reader":"\\ud800"}',
    "not-utf-8": b'{"reader":"\xff"}',
    "deep": b"[" * 3000,
    "digits": b'{"lang":' + b"9" * 3000 + b"}",
}


def identity_request() -> Seeds:
    """Good bodies, hostile purposes, and what is no JSON."""
    yield from _BODIES.items()
    good = {"include": ["identity", "address", "photo"], "challenge": NONCE}
    yield "good", _json({**good, "purpose": "Huren", "lang": "nl-BE", "reader": "A 0"})
    yield "part-twice", _json({"include": ["photo", "photo"]})
    yield "part-of-another-type", _json({"include": [["photo"], {}, None, 1]})
    for number, (text, _) in enumerate(HOSTILE):
        yield f"purpose-{number:02}", _json({"include": ["photo"], "purpose": text})
    # One character that NFC writes as two: 200 of them are 400 afterwards.
    yield "grows", _json({"include": ["photo"], "purpose": "\u0958" * 200})


def authenticate_request() -> Seeds:
    """Good bodies, nonces at the border, and what is no JSON."""
    yield from _BODIES.items()
    yield "good", _json({"challengeNonce": NONCE, "lang": "de", "reader": "A 0"})
    for length in (43, 44, 128, 129):
        yield f"nonce-{length}", _json({"challengeNonce": "x" * length})
    yield "nonce-space", _json({"challengeNonce": NONCE[:-1] + " "})


def gate() -> Seeds:
    """Hosts and origins, good ones and their imitations."""
    for number, line in enumerate(
        (
            "localhost:27410",
            "127.0.0.1:27410",
            "[::1]:27410",
            "localhost",
            "localhost:27411",
            "localhost:27410\nlocalhost:27410",
            "https://portal.example",
            "https://portal.example:8443",
            "https://portal.example/",
            "https://user@portal.example",
            "https://[2001:db8::1]:8443",
            "https://Portal.example",
            "https://portal.example\r",
            "http://localhost:8000",
            "http://localhost.example:8000",
            "http://127.0.0.1",
            "null",
            "application/json; charset=utf-8",
            "text/plain",
            "1",
        )
    ):
        yield f"{number:02}", b"\0" + line.encode()
        yield f"{number:02}-loopback", b"\1" + line.encode()


def origin() -> Seeds:
    """Origins as a person may type them."""
    for number, url in enumerate(
        (
            "https://portal.example",
            "https://Portal.Example:443",
            "https://b\u00fccher.example",
            "https://xn--bcher-kva.example",
            "https://xn--\u00fc.example",
            "https://p\u0430ypal.example",
            "https://\u65e5\u672c\u8a9e.example:8443",
            "https://[0:0::1]:8",
            "https://[::1",
            "https://me@portal.example",
            "https://portal.example/",
            "https://portal.example:0",
            "http://localhost:8000",
            "http://portal.example",
            "HTTPS://\u212a.example",
            "null",
        )
    ):
        yield f"{number:02}", url.encode()


def policy_file() -> Seeds:
    """Policies, good ones and ones that are wrong in one place."""
    good = {"allow": ["https://portal.example"], "deny": [], "pinned": True}
    yield "good", _json(good)
    yield "indented", json.dumps(good | {"ask": False}, indent=2).encode()
    yield "empty", b"{}"
    yield "list", b"[]"
    yield "twice", b'{"ask": true,\n "ask": false}'
    yield "unknown", _json({"a/b~": 1})
    yield "no-flag", _json({"developer": "no"})
    yield "no-list", _json({"deny": {"0": "https://portal.example"}})
    yield "no-origin", b'{"deny": ["https://a.example",\n [{"x": "]"}]]}'
    yield "path", _json({"allow": ["https://portal.example/"]})
    yield "cut", _json(good)[:-3]


def stored_origins() -> Seeds:
    """Grants by command and by "always"."""
    until = datetime.date(2027, 6, 17)
    portal = "https://portal.example"
    grants = (
        Grant(portal, "sign", until),
        Grant(portal, "login", until, (), "0" * 64),
        Grant(portal, "identity", until, ("identity", "address"), "a" * 64),
    )
    good = Stored(bytes(16), grants).to_bytes()
    yield "good", good
    yield "none", Stored(bytes(16)).to_bytes()
    yield "photo", good.replace(b'"address"', b'"photo"')
    yield "no-date", good.replace(b"2027-06-17", b"2027-06-31")
    yield "cut", good[:-4]


def journal_line() -> Seeds:
    """One of each kind of line, and damaged ones."""
    entry = Entry("https://portal.example", "identity", ("photo",), "given", "curl")
    now = datetime.datetime(2026, 5, 17, 12, 30, 45, tzinfo=datetime.UTC)
    yield "call", _json(entry.to_json(now))
    day = {"day": "2026-05-17", "call": "identity", "outcome": "given", "count": 3}
    yield "day", _json(day)
    yield "dropped", _json({"dropped": 7})
    yield "no-day", _json(day | {"day": "2026-02-30"})
    yield "no-time", _json(entry.to_json(now) | {"time": "12:30"})
    yield "cut", _json(day)[:-4]


def language() -> Seeds:
    """Accept-Language as browsers write it, and weights that are none."""
    for number, text in enumerate(
        (
            "nl\n",
            "\nnl-BE,nl;q=0.9,en;q=0.8",
            "xx\nfr;q=nan,de;q=inf,en;q=-1",
            "\nfr;q=1e400, de;q=",
            "\n*;q=0.5, ,;,;;q=1",
            "\nfr;q=1_0,de;q=0x1",
        )
    ):
        yield f"{number:02}", text.encode()


def one_line() -> Seeds:
    """The hostile texts, and some whose normal form is longer."""
    for number, (text, _) in enumerate(HOSTILE):
        yield f"{number:02}", text.encode(errors="surrogatepass")
    yield "grows", ("\u0958" * 200).encode()
    yield "reorders", "a\u0301\u0323\u200d\u0301\u034f\u0323".encode()
    yield "hangul", "\u1112\u1161\u11ab \u115f\u1160".encode()


def _certificates() -> dict[str, pki.Pair]:
    many = {**pki.HOLDER, "SERIAL2": "123"}
    other = {**pki.HOLDER, "SERIAL": "no number"}
    return {
        "holder": people.holder(),
        "two-numbers": people.holder(**many),
        "no-number": people.holder(**other),
        "citizen-ca": people.citizen_ca(),
        "root": people.root(),
        "rrn": people.rrn(),
    }


def certificate() -> Seeds:
    """One of each kind, padded as a card does, cut off."""
    for name, pair in _certificates().items():
        yield name, pki.der(pair.cert)
    data = pki.der(people.rrn().cert)
    yield "padded", data + bytes(100)
    yield "cut", data[:200]
    yield "empty", b""


def token() -> Seeds:
    """A login that succeeds, and some that cannot."""
    good = token_of(pki.der(people.holder().cert))
    yield "good", _json(good)
    yield "no-issuer", _json({k: v for k, v in good.items() if k[0] != "i"})
    yield "rsa", _json({**good, "algorithm": "RS256"})
    yield "minor-version", _json({**good, "format": "web-eid:1.1"})
    yield (
        "holder-as-issuer",
        _json({**good, "issuerCertificate": good["unverifiedCertificate"]}),
    )
    yield "array", b"[" + b" " * 100 + b"]"


def issued_certificate() -> Seeds:
    """The signed part of each certificate."""
    for name, pair in _certificates().items():
        yield name, pair.cert.tbs_certificate_bytes


def answer_seeds() -> Seeds:
    """Answers with everything, and with each part alone."""
    files = people.signed(people.identity(), people.address())
    chip = chip_answer(people.key("chip"))
    yield "good", _json({**answer(files), "chip": chip})
    yield "no-photo", _json({**answer(files, "photo"), "chip": chip})
    yield "no-chip", _json(answer(files))
    yield "address", _json(answer(files, "identity", "photo"))
    yield "photo-alone", _json(answer(files, "identity", "address"))
    yield "identity", _json(answer(files, "address", "addressSignature", "photo"))


def signed_files() -> Seeds:
    """Files of a card, and some that the Register would not sign."""
    addresses = people.address()
    for name, identity in {
        "good": people.identity(),
        "other-person": people.identity(t06=b"71715100070"),
        "no-key": people.identity(t1A=b""),
        "photo-sha1": people.identity(t11=bytes(20)),
        "no-photo-hash": people.identity(t11=b""),
        "no-dates": people.identity(t03=b"", t04=b""),
        "not-tlv": b"\1",
    }.items():
        for choices in range(8):
            if choices in (1, 6) or name == "good":
                head = bytes([choices]) + len(identity).to_bytes(2, "big")
                yield f"{name}-{choices}", head + identity + addresses


MAKERS: dict[str, Callable[[], Seeds]] = {
    "tlv": tlv,
    "der-length": der_length,
    "identity-file": identity_file,
    "address-file": address_file,
    "response": response,
    "masked": masked,
    "card-data": card_data,
    "pin": pin,
    "virtual-card": virtual_card,
    "identity-request": identity_request,
    "authenticate-request": authenticate_request,
    "gate": gate,
    "origin": origin,
    "policy-file": policy_file,
    "stored-origins": stored_origins,
    "journal-line": journal_line,
    "language": language,
    "one-line": one_line,
    "certificate": certificate,
    "token": token,
    "issued-certificate": issued_certificate,
    "answer": answer_seeds,
    "signed-files": signed_files,
    "http": live_seeds.http,
    "websocket": live_seeds.websocket,
    "tcp": live_seeds.tcp,
}


def all_of(target: str) -> Seeds:
    """Make the seeds of one target: file name and content."""
    return MAKERS[target]()


def main() -> None:
    """Write every seed."""
    for target in MAKERS:
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, data in all_of(target):
            assert len(data) < MAX_SIZE, (target, name, len(data))
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
