"""The chip's proof over HTTP: who gets one, how often, and who is found out by it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from agent import chip
from agent import relyingparty as rp
from agent.settings import Settings
from cardio.apdu import INS
from cardio.errors import CardReset
from cardio.files import EF, Key
from cardio.virtual import pki
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters
from cardio.virtual.keyring import MAX_AUTHENTICATIONS
from cardio.virtual.profile import Profile, load_profile, write_profile
from tests.agent.calls import ask_identity
from tests.agent.people import NONCE, PORTAL, Agent, Person, running
from tests.agent.program import started
from tests.cardio.channels import Answer, Fault, is_ins
from tests.cardio.sweep import reset

ALLOWED = Settings(allowed_origins=frozenset({PORTAL}))
OTHER = "https://other.example"

pytestmark = pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")


def _insert(agent: Agent, profile: Profile, *, calls: int = 0) -> Counters:
    """Put a card into the reader; returns what its chip remembers."""
    counters = Counters(authentications=calls)
    agent.readers.insert(VirtualCard(profile, counters=counters))
    return counters


def _verify(body: object, origin: str = PORTAL, challenge: str = NONCE) -> bool:
    """Verify as a portal does; returns whether the chip was there."""
    result = rp.verify_identity(
        body,  # type: ignore[arg-type]
        pki.test_roots(),
        origin=origin,
        challenge=challenge,
        allow_test=True,
    )
    assert result.data_authentic
    return result.chip_present


# --- who gets one --------------------------------------------------------------------


@pytest.mark.parametrize("persona", ["adult", "kids", "foreigner", "long-names"])
async def test_a_genuine_chip_is_believed_by_the_portal(persona: str) -> None:
    """From the card over HTTP to `verify_identity`; the chip was asked once."""
    async with running("") as agent:
        counters = _insert(agent, load_profile(persona))
        body = (await agent.identity("identity", challenge=NONCE)).body
        assert "chipUnavailable" not in body
        assert body["chip"].keys() == {"format", "publicKey", "signature"}
        assert _verify(body) is True
        assert counters.authentications == 1


@pytest.mark.parametrize(
    ("origin", "challenge"), [(OTHER, NONCE), (PORTAL, "m" * 44), (PORTAL, NONCE + "n")]
)
async def test_a_proof_is_good_for_one_origin_and_one_challenge(
    origin: str, challenge: str
) -> None:
    """Passed on by a false portal, or played again, it is refused."""
    async with running("adult") as agent:
        body = (await agent.identity("identity", challenge=NONCE)).body
        with pytest.raises(rp.ChipSignatureInvalid):
            _verify(body, origin, challenge)


def _copied(tmp_path: Path, original: str, chip_of: str) -> Profile:
    """Return one card's files on another card's chip, as a folder of a card has it."""
    genuine, other = load_profile(original), load_profile(chip_of)
    keys = {**genuine.keys, Key.BASIC: other.keys[Key.BASIC]}
    write_profile(dataclasses.replace(genuine, keys=keys), tmp_path)
    return load_profile(tmp_path)


async def test_a_copy_on_another_chip_is_found_out(tmp_path: Path) -> None:
    """All files are genuine and signed; the chip cannot answer for them."""
    copy = _copied(tmp_path, "adult", "kids")
    async with running("") as agent:
        _insert(agent, copy)
        body = (await agent.identity("identity", challenge=NONCE)).body
        with pytest.raises(rp.ChipSignatureInvalid):
            _verify(body)


async def test_a_copy_that_shows_its_own_key_is_found_out(tmp_path: Path) -> None:
    """The signed identity file names the genuine chip's key."""
    copy = _copied(tmp_path, "adult", "kids")
    (tmp_path / "basic-key.der").write_bytes(load_profile("kids").files[EF.BASIC_KEY])
    copy = load_profile(tmp_path)
    async with running("") as agent:
        _insert(agent, copy)
        body = (await agent.identity("identity", challenge=NONCE)).body
        with pytest.raises(rp.ChipKeyMismatch):
            _verify(body)


@pytest.mark.parametrize(
    ("persona", "include"), [("adult-1.7", "identity"), ("adult", "address")]
)
async def test_where_the_chip_cannot_prove_itself_the_answer_says_so(
    persona: str, include: str
) -> None:
    """Applet 1.7, or no identity in the answer: unsupported, and nothing was sent."""
    async with running("") as agent:
        counters = _insert(agent, load_profile(persona))
        body = (await agent.identity(include, challenge=NONCE)).body
        assert body["chipUnavailable"] == "unsupported"
        assert "chip" not in body
        assert counters.authentications == 0


@pytest.mark.parametrize("missing", ["basic.key", "basic-key.der"])
async def test_a_card_without_its_key_is_unsupported(
    missing: str, tmp_path: Path
) -> None:
    """The identity comes all the same."""
    write_profile(load_profile("adult"), tmp_path)
    (tmp_path / missing).unlink()
    async with running(str(tmp_path)) as agent:
        answer = await agent.identity("identity", challenge=NONCE)
        assert answer.status == 200
        assert answer.body["chipUnavailable"] == "unsupported"


async def test_a_blocked_chip_still_gives_the_identity() -> None:
    """SW 6985 after 5000 answers (SAFETY 3)."""
    async with running("") as agent:
        _insert(agent, load_profile("adult"), calls=MAX_AUTHENTICATIONS)
        body = (await agent.identity("identity", challenge=NONCE)).body
        assert body["chipUnavailable"] == "blocked"
        assert "chip" not in body
        assert body["identity"]["surname"]


async def test_nothing_else_asks_the_chip() -> None:
    """Status, readers, a login and an identity without challenge leave it alone."""
    async with running("", settings=ALLOWED) as agent:
        counters = _insert(agent, load_profile("adult"))
        for path in ("/v1/status", "/v1/readers"):
            assert (await agent.call("GET", path)).status == 200
        assert (await agent.login()).status == 200
        body = (await agent.identity("identity", "address", "photo")).body
        assert not {"chip", "chipUnavailable"} & body.keys()
        assert counters.authentications == 0


async def test_the_status_names_the_feature() -> None:
    """So that a portal can tell before it asks."""
    async with running("adult", settings=ALLOWED) as agent:
        assert "chip" in (await agent.call("GET", "/v1/status")).body["features"]


def test_the_program_asks_proves_and_counts(tmp_path: Path) -> None:
    """Over TLS: a named origin is asked all the same, and its count is kept."""
    arguments = ("--card", "virtual", "--ui", "terminal", "--allow-origin", PORTAL)
    with started("run", *arguments, "--data-dir", str(tmp_path)) as agent:
        port, ca = agent.port(), tmp_path / "tls" / "ca.pem"
        with ask_identity(port, ca, challenge=NONCE) as reading:
            agent.until(r"\[y/n\] $")
            agent.type("y")
        assert _verify(reading.body) is True
        assert agent.end() == 0
    file = tmp_path / "chip-proofs.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(json.loads(file.read_bytes())["counts"].values()) == [1]


# --- only after a person's answer ----------------------------------------------------


async def test_a_chip_is_asked_only_after_a_fresh_answer() -> None:
    """--allow-origin spares a virtual card's question, but not with a challenge."""
    person = Person(agrees=False)
    async with running("", person=person, settings=ALLOWED) as agent:
        counters = _insert(agent, load_profile("adult"))
        answer = await agent.identity("identity", challenge=NONCE)
        assert answer.body["code"] == "user-denied"
        assert (len(person.questions), counters.authentications) == (1, 0)
        person.agrees = True
        assert "chip" in (await agent.identity("identity", challenge=NONCE)).body
        assert (len(person.questions), counters.authentications) == (2, 1)
        assert (await agent.identity("identity")).status == 200
        assert len(person.questions) == 2


@pytest.mark.parametrize("answer", [CardReset(), "6400", "6581"])
@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
async def test_a_chip_that_fails_is_not_asked_again(answer: Answer, lost: bool) -> None:
    """Reading is begun again after a reset by another program; this is not."""
    sent: list[int] = []

    class Counting(Fault):
        def transmit(self, apdu: Any) -> Any:
            sent.append(apdu[1])
            return super().transmit(apdu)

    async with running("adult") as agent:
        connect = agent.readers.connect
        hits = is_ins(INS.INTERNAL_AUTHENTICATE)
        agent.readers.connect = lambda name: Counting(  # type: ignore[method-assign]
            connect(name), hits, answer, after=lost
        )
        result = await agent.identity("identity", challenge=NONCE)
        assert (result.status, result.body["code"]) == (424, "card-unreadable")
        assert sent.count(INS.INTERNAL_AUTHENTICATE) == 1


# --- how often -----------------------------------------------------------------------


async def test_an_origin_gets_twenty_a_day_and_restarts_do_not_help(
    tmp_path: Path,
) -> None:
    """Beyond, the identity comes without proof; another origin has its own twenty."""
    settings = Settings(data_dir=tmp_path)
    card = load_profile("adult")
    async with running("", settings=settings) as agent:
        counters = _insert(agent, card)
        for _ in range(chip.LIMIT - 1):
            assert "chip" in (await agent.identity("identity", challenge=NONCE)).body
        assert counters.authentications == chip.LIMIT - 1
    async with running("", settings=settings) as agent:
        counters = _insert(agent, card)
        assert "chip" in (await agent.identity("identity", challenge=NONCE)).body
        answer = await agent.identity("identity", challenge=NONCE)
        assert answer.status == 200
        assert answer.body["chipUnavailable"] == "blocked"
        assert counters.authentications == 1
        other = await agent.call(
            "POST",
            "/v1/identity",
            {"include": ["identity"], "challenge": NONCE},
            headers={"Origin": OTHER},
        )
        assert "chip" in other.body
        assert counters.authentications == 2


@pytest.mark.parametrize("kind", ["no key file", "reset before"])
async def test_only_a_chip_that_was_asked_counts(kind: str, tmp_path: Path) -> None:
    """Not a card without the key's file, nor the reading that was begun again."""
    folder, settings = tmp_path / "card", Settings(data_dir=tmp_path)
    write_profile(load_profile("adult"), folder)
    if kind == "no key file":
        (folder / "basic-key.der").unlink()
    async with running("", settings=settings) as agent:
        card = reset(load_profile(folder))
        card.arm(5, lost=True)
        agent.readers.insert(card)
        assert (await agent.identity("identity", challenge=NONCE)).status == 200
        assert card.struck
    stored = tmp_path / "chip-proofs.json"
    used = json.loads(stored.read_bytes())["counts"] if stored.exists() else {}
    assert list(used.values()) == ([] if kind == "no key file" else [1])


class _Clock(datetime.datetime):
    """The clock of a later day."""

    days = 1

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Clock:
        return cls.fromtimestamp(time.time() + cls.days * 86_400, tz)


def test_the_next_day_begins_anew_under_another_salt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty more; and the file cannot be compared with yesterday's."""
    limit = chip.DailyLimit(tmp_path)
    assert [limit.take(PORTAL) for _ in range(21)] == [True] * 20 + [False]
    before = (tmp_path / "chip-proofs.json").read_text()
    monkeypatch.setattr(datetime, "datetime", _Clock)
    assert limit.take(PORTAL)
    assert chip.DailyLimit(tmp_path).take(PORTAL)
    after = (tmp_path / "chip-proofs.json").read_text()
    keys = [set(json.loads(text)["counts"]) for text in (before, after)]
    assert keys[0].isdisjoint(keys[1])


def test_the_count_names_no_site_and_is_the_users_alone(tmp_path: Path) -> None:
    """Mode 0600, and no origin in it, plain or hashed without salt."""
    assert chip.DailyLimit(tmp_path).take(PORTAL)
    file = tmp_path / "chip-proofs.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "portal" not in file.read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chip, "_FILE", "second.json")
        assert chip.DailyLimit(tmp_path).take(PORTAL)
    assert file.read_text() != (tmp_path / "second.json").read_text()


def test_a_clock_that_was_ahead_blocks_no_later_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set back, it begins no new day, and the next real day begins anew."""
    with monkeypatch.context() as ahead:
        ahead.setattr(datetime, "datetime", _Clock)
        ahead.setattr(_Clock, "days", 3650)
        limit = chip.DailyLimit(tmp_path)
        assert [limit.take(PORTAL) for _ in range(19)] == [True] * 19
    assert limit.take(PORTAL)
    assert not chip.DailyLimit(tmp_path).take(PORTAL)
    monkeypatch.setattr(datetime, "datetime", _Clock)
    assert chip.DailyLimit(tmp_path).take(PORTAL)


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"day":1}', b"\xff", b"[" * 200_000]
)
def test_a_damaged_count_ends_the_day(damage: bytes, tmp_path: Path) -> None:
    """Nobody gains by damaging it; restarts do not help either."""
    file = tmp_path / "chip-proofs.json"
    file.write_bytes(damage)
    file.chmod(0o600)
    assert not chip.DailyLimit(tmp_path).take(PORTAL)
    assert not chip.DailyLimit(tmp_path).take(OTHER)


def test_what_cannot_be_counted_is_not_proven(tmp_path: Path) -> None:
    """A folder that is not there, a link or a file that others can read: no proof."""
    assert not chip.DailyLimit(tmp_path / "nowhere").take(PORTAL)
    file = tmp_path / "chip-proofs.json"
    file.write_bytes(b"{}")
    file.chmod(0o644)
    assert not chip.DailyLimit(tmp_path).take(PORTAL)


def test_without_a_folder_the_limit_holds_for_the_run() -> None:
    """Twenty, and no more."""
    limit = chip.DailyLimit(None)
    assert [limit.take(PORTAL) for _ in range(21)] == [True] * 20 + [False]
