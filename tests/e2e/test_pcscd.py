"""The same way through a real pcscd: the card's own list says what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cardio.channel import Apdu
from cardio.virtual.profile import load_profile
from tests.e2e.harness import needs_chromium, visit
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

pytestmark = [pytest.mark.browser, pytest.mark.pcscd, needs_chromium]

VERIFY = 0x20
READ_BINARY = 0xB0

#: Through the PC/SC service; where nothing listens for a card of the demo's own.
PCSC = ("--card", "pcsc", "--vpcd", "127.0.0.1:1")


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_from_start_to_receipt(pcscd: Pcscd, persona: str) -> None:
    """Both generations of card; the PIN went to the card once."""
    with pcscd.card(persona) as card:
        async with visit(*PCSC) as visitor:
            await visitor.to_data()
            await visitor.click("Ja, ik wil op de wachtlijst blijven")
            await visitor.state("receipt")
            assert visitor.posts() == ["POST /v1/authenticate", "POST /v1/identity"]
        verifies = [item for item in card.exchanges if item.ins == VERIFY]
        assert [item for item in verifies if item.size > 5] == verifies[-1:]


async def test_a_wrong_pin_reaches_the_card_once(pcscd: Pcscd) -> None:
    """One click, one request, one VERIFY; the tries on the page are the card's."""
    with pcscd.card() as card:
        async with visit(*PCSC) as visitor:
            await visitor.log_in("9999")
            await visitor.state("error", "pin-incorrect")
            assert "nog 2 pogingen" in await visitor.text()
            assert visitor.posts() == ["POST /v1/authenticate"]
            assert await visitor.demo.program.asked_nothing_more()
        assert card.count(VERIFY) == 1
        verify = next(item for item in card.exchanges if item.ins == VERIFY)
        assert verify.answer == bytes.fromhex("63C2")


async def test_a_pin_of_the_wrong_length_is_asked_again(pcscd: Pcscd) -> None:
    """Three digits, thirteen, letters: the card hears nothing of them."""
    with pcscd.card() as card:
        async with visit(*PCSC) as visitor:
            await visitor.log_in("123")
            for line in ("1234567890123", "abcd"):
                assert (await visitor.demo.program.question()).endswith("PIN: ")
                await visitor.demo.program.answer(line)
            assert (await visitor.demo.program.question()).endswith("PIN: ")
            assert card.count(VERIFY) == 0
            await visitor.demo.program.answer("1234")
            assert (await visitor.demo.program.question()).endswith("[y/n] ")
        assert card.count(VERIFY) == 1


async def test_a_blocked_card_gets_no_pin(pcscd: Pcscd) -> None:
    """The page sends the person to the municipality; nobody asks for a PIN."""
    with pcscd.card("blocked") as card:
        async with visit(*PCSC) as visitor:
            await visitor.click("Aanmelden met eID")
            await visitor.state("error", "pin-blocked")
            text = await visitor.text()
            assert "gemeente" in text
            assert "PUK" in text
            assert await visitor.demo.program.asked_nothing_more()
        assert card.count(VERIFY) == 0


async def test_no_card_then_a_card(pcscd: Pcscd) -> None:
    """The page asks for the card; once it is there the next click goes on."""
    async with visit(*PCSC) as visitor:
        await visitor.click("Aanmelden met eID")
        await visitor.state("error", "no-card")
        assert "Steek je identiteitskaart" in await visitor.text()
        with pcscd.card():
            await visitor.click("Probeer opnieuw")
            assert (await visitor.demo.program.question()).endswith("PIN: ")


async def test_the_service_for_readers_is_gone(own_pcscd: Pcscd) -> None:
    """The page says that the service does not run."""
    async with visit(*PCSC) as visitor:
        own_pcscd.stop()
        await visitor.click("Aanmelden met eID")
        await visitor.state("error", "pcsc-unavailable")


@pytest.mark.parametrize("persona", [(), ("--persona", "adult-1.7")])
async def test_the_demo_puts_in_its_own_card(
    pcscd: Pcscd, persona: tuple[str, ...]
) -> None:
    """With an empty reader, to the receipt; the card is gone when the demo is."""
    vpcd = f"127.0.0.1:{pcscd.port}"
    async with visit("--card", "pcsc", "--vpcd", vpcd, *persona) as visitor:
        pcscd.wait_for_card(present=True)
        await visitor.to_data()
        await visitor.click("Ja, ik wil op de wachtlijst blijven")
        await visitor.state("receipt")
        assert await visitor.demo.program.stop() == 0
        pcscd.wait_for_card(present=False)


class PulledCard(RecordedCard):
    """A card that is pulled out by a hand at its next file read."""

    hand: Callable[[], None] | None = None

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, but let the hand know of the read first."""
        if apdu[1] == READ_BINARY and self.hand is not None:
            hand, self.hand = self.hand, None
            threading.Thread(target=hand, daemon=True).start()
        return super().transmit(apdu)


async def test_the_card_is_pulled_out_during_the_read(pcscd: Pcscd) -> None:
    """No data are shown; with the card back the reading alone is asked again."""
    card = PulledCard(load_profile("adult"))
    with pcscd.insert(card) as pull:
        async with visit(*PCSC) as visitor:
            await visitor.log_in()
            await visitor.demo.program.question()
            card.hand = pull
            await visitor.demo.program.answer("y")
            await visitor.state("error", "card-removed")
            text = await visitor.text()
            assert "uit de lezer gehaald" in text
            assert "naam en je rijksregisternummer, en niets anders" in text
            assert "WL-" not in await visitor.page.content()
            pcscd.wait_for_card(present=False)
            with pcscd.card() as back:
                await visitor.click("Probeer opnieuw")
                assert (await visitor.demo.program.question()).endswith("[y/n] ")
                await visitor.demo.program.answer("y")
                await visitor.state("data")
                assert back.count(VERIFY) == 0
            assert visitor.posts().count("POST /v1/authenticate") == 1
