"""How few commands a request needs, what is read ahead, and what is never kept."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.known import KnownOnDisk
from agent.reading import Progress, read_proven
from agent.relyingparty import roots
from agent.settings import Settings
from cardio.apdu import INS
from cardio.beid.card import BeidCard
from cardio.beid.certificates import parse_certificate
from cardio.beid.known import InMemory
from cardio.card import CardData
from cardio.channel import Apdu
from cardio.files import EF
from cardio.virtual.profile import Profile, load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.calls import prepared
from tests.agent.people import PORTAL, Agent, running
from tests.bench.counts import (
    MOST_KNOWN,
    MOST_LOGIN,
    MOST_READ,
    OFFICIAL_LOGIN,
    OFFICIAL_LOGIN_BYTES,
    OFFICIAL_READ,
    of_file,
)
from tests.rig.transcript import RecordedCard

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
ALL = ("identity", "address", "photo")
BOTH = ["adult-1.7", "adult"]


def _sized(persona: str) -> Profile:
    """A persona with a photo of the size by which the official module was counted."""
    profile = load_profile(persona)
    profile.files[EF.PHOTO] = profile.files[EF.PHOTO].ljust(2629, b"\0")[:2629]  # type: ignore[index]
    return profile


class Read:
    """One reading of everything, counted by the card."""

    def __init__(self, profile: Profile, known: InMemory) -> None:
        self.card = RecordedCard(profile)
        readers = VirtualReaders()
        readers.insert(self.card)
        client = BeidCard(readers.connect(readers.readers()[0].name))
        self.files = read_proven(client, client.recognise(), ALL, known)
        self.card.exchanges = self.card.exchanges[1:]

    @property
    def apdus(self) -> int:
        """All commands."""
        return len(self.card.exchanges)

    def of(self, ef: EF) -> int:
        """The commands for one file."""
        return len(of_file(self.card.exchanges, ef))


@pytest.mark.parametrize("persona", BOTH)
def test_a_whole_read_takes_at_most_32_commands(persona: str) -> None:
    """Identity, address, photo, both signatures and RRN certificate; 26 with it known.

    The root is not in the official module's count, so it is left out of ours.
    """
    known = InMemory()
    first = Read(_sized(persona), known)
    assert first.apdus - first.of(EF.ROOT) <= MOST_READ < min(OFFICIAL_READ.values())
    again = Read(_sized(persona), known)
    assert again.apdus <= MOST_KNOWN
    assert again.of(EF.RRN) == again.of(EF.ROOT) == 0
    assert again.files == first.files


@pytest.mark.parametrize("persona", BOTH)
def test_nothing_is_read_past_its_end(persona: str) -> None:
    """One SELECT a file, certificates without padding, one repeat by 6Cxx at most."""
    read = Read(_sized(persona), InMemory())
    for ef, data in read.files.items():
        blocks = -(-len(data) // 256)
        assert read.of(ef) <= 1 + blocks + 1, ef
    certificates = len(read.files[EF.RRN]) + len(read.files[EF.ROOT])
    received = sum(
        len(exchange.answer) - 2
        for exchange in read.card.exchanges
        if exchange.ins == INS.READ_BINARY
    )
    others = sum(
        len(data) for ef, data in read.files.items() if ef not in _CERTIFICATES
    )
    assert received == certificates + others


_CERTIFICATES = (EF.RRN, EF.ROOT)


async def _ready(agent: Agent) -> None:
    """Let the page look, and wait until what it will need was read ahead."""
    assert (await agent.call("GET", "/v1/status")).body["card"] == "present"
    async with asyncio.timeout(5):
        while not prepared(agent.service):
            await asyncio.sleep(0)


@pytest.mark.parametrize("persona", BOTH)
async def test_a_login_of_a_card_already_seen_takes_at_most_10_commands(
    persona: str,
) -> None:
    """Its certificates were read while a page was open. A third of the bytes, too."""
    async with running(persona, settings=ALLOWED) as agent:
        await _ready(agent)
        for _ in range(2):
            card = agent.cards[0]
            before = len(card.exchanges)
            assert (await agent.login()).status == 200
            needed = card.exchanges[before:]
            assert len(needed) <= MOST_LOGIN < min(OFFICIAL_LOGIN.values())
            size = sum(each.size + len(each.answer) for each in needed)
            assert size < min(OFFICIAL_LOGIN_BYTES.values()) / 3


async def test_nothing_is_read_ahead_for_a_page_without_grant() -> None:
    """Its status call does not touch the card."""
    async with running("adult") as agent:
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "ask"
        assert not prepared(agent.service)
        assert agent.cards[0].exchanges == []


async def test_a_holders_certificate_goes_with_the_card() -> None:
    """After a swap the token names the card that is in, and nothing is left."""
    async with running("adult", settings=ALLOWED) as agent:
        await _ready(agent)
        agent.readers.remove()
        async with asyncio.timeout(5):
            while prepared(agent.service):
                await asyncio.sleep(0)
        agent.readers.insert(RecordedCard(load_profile("foreigner")))
        token = (await agent.login()).body
        held = load_profile("foreigner").files[EF.AUTHENTICATION]
        given = base64.b64decode(token["unverifiedCertificate"])
        assert held.startswith(given)


class SlowReader(RecordedCard):
    """A card whose reading stops until it is let go."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self.reached, self.go = threading.Event(), threading.Event()

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer; blocks of a certificate only when they may."""
        if apdu[1] == INS.READ_BINARY and apdu[4] != 4:
            self.reached.set()
            assert self.go.wait(20)
        return super().transmit(apdu)


@pytest.mark.parametrize("call", ["login", "identity"])
async def test_a_request_never_finds_its_own_reading_ahead_busy(call: str) -> None:
    """A login lets it finish, a reading stops it; both are answered."""
    async with running("", settings=ALLOWED) as agent:
        card = SlowReader(load_profile("adult"))
        agent.readers.insert(card)
        await agent.call("GET", "/v1/status")
        assert await asyncio.to_thread(card.reached.wait, 5)
        asked = agent.login() if call == "login" else agent.identity("address")
        request = asyncio.create_task(asked)
        (ahead,) = agent.service._reservations._ahead.values()
        async with asyncio.timeout(5):
            while call == "identity" and not ahead.stop.is_set():
                await asyncio.sleep(0)
        await agent.call("GET", "/v1/readers")  # answered meanwhile
        card.go.set()
        assert (await asyncio.wait_for(request, 5)).status == 200
        selected = [
            exchange.command[-2:].hex()
            for exchange in card.exchanges
            if exchange.ins == INS.SELECT
        ]
        # The login reads no certificate again; the reading stopped before the CA.
        assert selected.count("5038") == 2  # recognition's four bytes, and the rest
        assert selected.count("503a") == (1 if call == "login" else 0)


async def test_a_reading_ahead_that_fails_is_not_begun_at_each_call() -> None:
    """A card without its CA's certificate: once in its stay."""
    async with running("", settings=ALLOWED) as agent:
        profile = load_profile("adult")
        del profile.files[EF.CA]
        card = RecordedCard(profile)
        agent.readers.insert(card)
        for _ in range(3):
            await agent.call("GET", "/v1/status")
            async with asyncio.timeout(5):
                while agent.service._ahead._tasks:
                    await asyncio.sleep(0)
        asked = len(card.exchanges)
        await agent.call("GET", "/v1/status")
        assert not agent.service._ahead._tasks
        assert len(card.exchanges) == asked


async def test_a_swapped_card_is_noticed_although_its_certificate_was_read() -> None:
    """The tries and the chip are asked before the question, every time."""
    async with running("adult", settings=ALLOWED) as agent:
        await _ready(agent)
        card = agent.cards[0]
        card.transmit(bytes.fromhex("00200001082499 99FFFFFFFFFF".replace(" ", "")))
        await agent.login()
        assert agent.person.questions[-1].tries_left == 2  # type: ignore[union-attr]


# --- known certificates --------------------------------------------------------------


@pytest.fixture
def belgian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the personas' root for one of Belgium's, and their cards for real ones."""
    der = Read(load_profile("adult"), InMemory()).files[EF.ROOT]
    print_ = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()
    monkeypatch.setattr(roots, "BELGIAN_ROOTS", frozenset({print_}))
    from_bytes = CardData.from_bytes
    monkeypatch.setattr(
        CardData,
        "from_bytes",
        lambda *given: dataclasses.replace(from_bytes(*given), virtual=False),
    )


@pytest.mark.usefixtures("belgian")
def test_known_certificates_survive_the_agent(tmp_path: Path) -> None:
    """On disk lie certificates of CAs and Register, and nothing of a person."""
    folder = tmp_path / "certificates"
    first = Read(load_profile("adult"), KnownOnDisk(folder))
    kept = sorted(path.read_bytes() for path in folder.iterdir())
    assert kept == sorted((first.files[EF.RRN], first.files[EF.ROOT]))
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    again = Read(load_profile("adult"), KnownOnDisk(folder))
    assert again.of(EF.RRN) == again.of(EF.ROOT) == 0
    assert again.files == first.files
    # And they are those of another card, too.
    assert Read(load_profile("kids"), KnownOnDisk(folder)).of(EF.ROOT) == 0


def test_only_what_belgium_proves_is_kept_on_disk(tmp_path: Path) -> None:
    """A test card's certificates are known to this run alone."""
    known = KnownOnDisk(tmp_path)
    Read(load_profile("adult"), known)
    assert list(tmp_path.iterdir()) == []
    assert Read(load_profile("adult"), known).of(EF.RRN) == 0


@pytest.mark.usefixtures("belgian")
@pytest.mark.parametrize("spoilt", ["garbage", "readable by others", "a link"])
def test_a_wrong_known_certificate_costs_a_reading_and_no_more(
    tmp_path: Path, spoilt: str
) -> None:
    """Whatever is wrong with the file; it is put right by the reading."""
    profile = load_profile("adult")
    Read(profile, KnownOnDisk(tmp_path))
    (path,) = tmp_path.glob("rrn-*")
    if spoilt == "garbage":
        path.write_bytes(b"garbage")
    elif spoilt == "a link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.chmod(0o644)
    read = Read(profile, KnownOnDisk(tmp_path))
    assert read.of(EF.RRN) > 0
    assert read.of(EF.ROOT) == 0
    assert profile.files[EF.RRN].startswith(read.files[EF.RRN])
    assert Read(profile, KnownOnDisk(tmp_path)).of(EF.RRN) == 0


def _forged(der: bytes) -> tuple[bytes, bytes]:
    """Return a certificate of the same key and name by another root, and that root."""
    genuine = parse_certificate(der)
    key = ec.generate_private_key(ec.SECP384R1())

    def issue(subject: x509.Name, public: Any, serial: int) -> bytes:
        builder = x509.CertificateBuilder(
            genuine.issuer,
            subject,
            public,
            serial,
            genuine.not_valid_before_utc,
            genuine.not_valid_after_utc,
        )
        basic = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(basic, critical=True)
        signed = builder.sign(key, hashes.SHA384())
        return signed.public_bytes(serialization.Encoding.DER)

    public = genuine.public_key()
    return (
        issue(genuine.subject, public, genuine.serial_number),
        issue(genuine.issuer, key.public_key(), 1),
    )


@pytest.mark.usefixtures("belgian")
@pytest.mark.parametrize("pinned", [True, False])
def test_a_crafted_card_leaves_nothing_for_others(tmp_path: Path, pinned: bool) -> None:
    """Another issuer for the Register's key: that card's own affair, in any order."""
    known = KnownOnDisk(tmp_path) if pinned else InMemory()
    genuine = load_profile("adult")
    rrn = Read(genuine, InMemory()).files[EF.RRN]  # without the padding
    forged = dict(zip((EF.RRN, EF.ROOT), _forged(rrn), strict=True))
    crafted = dataclasses.replace(
        genuine, chip_serial=bytes(16), files={**genuine.files, **forged}
    )
    first = Read(crafted, known)
    assert first.files[EF.RRN] == crafted.files[EF.RRN]
    for _ in range(2):
        read = Read(genuine, known)
        assert rrn == read.files[EF.RRN]
        assert genuine.files[EF.ROOT].startswith(read.files[EF.ROOT])
    assert (read.of(EF.RRN), read.of(EF.ROOT)) == (0, 0)
    assert len(list(tmp_path.iterdir())) == (2 if pinned else 0)


@pytest.mark.usefixtures("belgian")
def test_the_oldest_known_certificate_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder does not grow for ever, and what is new is kept."""
    monkeypatch.setattr("agent.known._MAX_FILES", 3)
    for number in range(4):
        old = tmp_path / f"ca-{number}.der"
        old.write_bytes(b"old")
        os.utime(old, (number, number))
    Read(load_profile("adult"), KnownOnDisk(tmp_path))
    left = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert left == ["ca", "root", "rrn"]


def test_a_folder_that_cannot_be_used_costs_readings_and_no_more(
    tmp_path: Path,
) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "certificates").write_text("in the way")
    known = KnownOnDisk(tmp_path / "certificates")
    Read(load_profile("adult"), known)
    assert Read(load_profile("adult"), known).of(EF.RRN) == 0


# --- progress ------------------------------------------------------------------------


def test_progress_grows_and_ends_at_its_total() -> None:
    """However much more or less there is than was guessed."""
    for pieces in ([10], [256] * 40, []):
        steps: list[tuple[int, int]] = []
        progress = Progress(ALL, lambda *step, to=steps: to.append(step))
        for count in pieces:
            progress.read(count)
        progress.end()
        assert all(done <= total for done, total in steps)
        assert steps == sorted(steps, key=lambda step: step[0])
        assert steps[-1] == (sum(pieces), sum(pieces))
