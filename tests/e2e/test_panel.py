"""The virtual card's panel: the real program, a real pcscd, a real Chromium."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Page

from cardio import tlv
from cardio.beid.card import BeidCard
from cardio.errors import CardError, CardRemoved, NoCard, UnexpectedStatus
from cardio.files import ATR_1_7, ATR_1_8, EF
from cardio.pcsc import PcscReaders
from cardio.virtual.personas import PERSONAS
from tests.e2e.harness import SECONDS, Program, chromium, needs_chromium, program
from tests.rig.pcscd import Pcscd

pytestmark = [pytest.mark.browser, pytest.mark.pcscd, needs_chromium]


@dataclass
class Panel:
    """The page, the program that serves it, and the reader that both are about."""

    page: Page
    program: Program
    pcscd: Pcscd
    complaints: list[str]

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def choose(self, label: str, value: str) -> None:
        """Choose in a list."""
        await self.page.get_by_label(label, exact=True).select_option(value)

    async def reads(self, name: str, value: str) -> None:
        """Wait until the card's particulars say so."""
        await self.page.wait_for_selector(
            f'xpath=//dt[.="{name}"]/following-sibling::dd[1][.="{value}"]'
        )

    async def says(self, words: str) -> None:
        """Wait until the page says so."""
        await self.page.get_by_text(words).wait_for()

    def card(self) -> BeidCard:
        """Connect to the card through PC/SC."""
        return BeidCard(PcscReaders().connect(self.pcscd.reader))

    def atr(self) -> bytes | None:
        """Return the ATR that PC/SC shows; None for an empty reader."""
        states = PcscReaders().readers()
        return next(state.atr for state in states if state.name == self.pcscd.reader)


@contextlib.asynccontextmanager
async def panel(pcscd: Pcscd, *arguments: str) -> AsyncIterator[Panel]:
    """Run the program and open its page; what the page complains of fails the test."""
    words = ("virtual-card", "--panel", "--vpcd", f"127.0.0.1:{pcscd.port}")
    async with program(*words, *arguments) as running, chromium([]) as context:
        await running.expect("card inserted\n")
        address = await running.expect(r"panel: (http://127\.0\.0\.1:\d+/\S+/)\n")
        page, complaints = context.pages[0], list[str]()
        page.set_default_timeout(SECONDS * 1000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(address[1])
        shown = Panel(page, running, pcscd, complaints)
        await shown.says("The card is in the reader.")
        pcscd.wait_for_card(present=True)
        yield shown
        assert complaints == []


async def test_removed_and_inserted(pcscd: Pcscd) -> None:
    """What the page does to the card, PC/SC sees; by keyboard alone, too."""
    async with panel(pcscd) as shown:
        await shown.press("Remove")
        await shown.says("The card is not in the reader.")
        pcscd.wait_for_card(present=False)
        with pytest.raises((NoCard, CardRemoved)):
            shown.card()
        # The focus went on to the button that works now.
        await shown.page.keyboard.press("Enter")
        await shown.says("The card is in the reader.")
        pcscd.wait_for_card(present=True)
        assert shown.card().recognise().applet == "1.8"


async def test_another_persona(pcscd: Pcscd) -> None:
    """The card in the reader is another one: ATR and identity file."""
    async with panel(pcscd) as shown:
        assert shown.atr() == ATR_1_8
        await shown.choose("Another persona", "adult-1.7")
        await shown.press("Take this card")
        await shown.reads("Persona", "adult-1.7")
        await shown.says("The card is in the reader.")
        pcscd.wait_for_card(present=True)
        assert shown.atr() == ATR_1_7
        identity = tlv.parse(shown.card().read(EF.IDENTITY))
        assert identity[0x07].decode() == PERSONAS["adult-1.7"].surname


async def test_tries(pcscd: Pcscd) -> None:
    """A try taken away on the page is gone on the card, and for our own program."""
    async with panel(pcscd) as shown:
        await shown.choose("PIN tries left", "1")
        await shown.press("Set tries")
        await shown.reads("PIN tries left", "1")
        status = subprocess.run(
            [sys.executable, "-m", "agent", "card", "pin-status", "--json"],
            env={**os.environ, **pcscd.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert status.stdout == '{"triesLeft": 1, "blocked": false}\n'


async def test_a_fault(pcscd: Pcscd) -> None:
    """The next command hits it, the one after it does not."""
    async with panel(pcscd) as shown:
        await shown.choose("Fault", "wrong-sw")
        await shown.press("Set fault")
        await shown.reads("Fault", "wrong-sw, at command 1")
        card = shown.card()
        with pytest.raises(UnexpectedStatus):
            card.read(EF.IDENTITY)
        await shown.reads("Fault", "none")
        assert card.read(EF.IDENTITY)


async def test_a_fault_is_taken_away(pcscd: Pcscd) -> None:
    """Before it came to it."""
    async with panel(pcscd, "--fault", "removed:3") as shown:
        await shown.reads("Fault", "removed, at command 3")
        await shown.press("No fault")
        await shown.reads("Fault", "none")
        assert shown.card().read(EF.PHOTO)


async def test_removed_by_a_fault_and_put_back(pcscd: Pcscd) -> None:
    """The page tells that the reader is empty; the same card goes in again."""
    async with panel(pcscd, "--fault", "removed:3") as shown:
        with pytest.raises(CardError):
            shown.card().read(EF.PHOTO)
        await shown.says("The card is not in the reader.")
        pcscd.wait_for_card(present=False)
        await shown.press("Insert")
        await shown.says("The card is in the reader.")
        pcscd.wait_for_card(present=True)
        assert shown.card().read(EF.PHOTO)


async def test_another_card_is_in_the_reader(pcscd: Pcscd) -> None:
    """The page says so, never that its own is in; with the other out, it goes in."""
    async with panel(pcscd) as shown:
        await shown.press("Remove")
        pcscd.wait_for_card(present=False)
        with pcscd.card("kids"):
            await shown.press("Insert")
            await shown.says("The card is on its way into the reader.")
            await shown.says("another card is in it")
            await shown.says("The card is not in the reader.")
        assert len(shown.complaints) == 1
        assert "424" in shown.complaints.pop()
        await shown.press("Insert")
        await shown.says("The card is in the reader.")
        assert await shown.page.locator("#problem").inner_text() == ""


async def test_the_page_outlives_its_program(pcscd: Pcscd) -> None:
    """It says that the program has ended, and what it showed stays to be read."""
    async with panel(pcscd) as shown:
        assert shown.card().read(EF.ADDRESS)
        await shown.reads("Persona", "adult")
        assert await shown.program.stop() == 0
        await shown.says("The panel's program has ended.")
        assert await shown.page.locator("tbody tr").count() > 0
        await shown.press("Insert")
        await shown.says("The panel's program does not answer.")
        shown.complaints.clear()  # of connections that were refused


async def test_what_an_action_changed_is_read_out(pcscd: Pcscd) -> None:
    """A screen reader hears particulars with their names when they change."""
    async with panel(pcscd) as shown:
        for name in ("persona", "tries", "fault"):
            live = shown.page.locator(f"[aria-live=polite]:has(#{name})")
            assert await live.get_attribute("aria-atomic") == "true"
        status = shown.page.get_by_role("status")
        assert (await status.aria_snapshot()).endswith(": The card is in the reader.")


async def test_the_trace_masks_the_pin(pcscd: Pcscd) -> None:
    """VERIFY shows its header and the status word; a read shows what was read."""
    async with panel(pcscd) as shown:
        channel = PcscReaders().connect(pcscd.reader)
        assert (
            channel.transmit(bytes.fromhex("0020000108241234FFFFFFFFFF")).sw == 0x9000
        )
        channel.transmit(bytes.fromhex("00A4080C04DF014031"))
        head = channel.transmit(bytes.fromhex("00B0000008")).data.hex(" ").upper()
        channel.close()
        rows = shown.page.locator("tbody tr")
        await rows.filter(has_text=head).wait_for()
        verify = await rows.filter(has_text="00 20 00 01 08").inner_text()
        assert "00 20 00 01 08 **\t90 00\t" in verify
        content = await shown.page.content()
        assert "12 34 FF" not in content
        assert "241234" not in content


async def test_sigterm_takes_the_card_out(pcscd: Pcscd) -> None:
    """With the page open, and at once."""
    async with panel(pcscd) as shown:
        await shown.page.goto("about:blank")
        assert await shown.program.stop() == 0
        pcscd.wait_for_card(present=False)


async def test_reached_by_mouse_or_keyboard(pcscd: Pcscd) -> None:
    """Tab goes through every control, and each has a name."""
    async with panel(pcscd) as shown:
        names = []
        for _ in range(11):
            await shown.page.keyboard.press("Tab")
            names.append(
                await shown.page.evaluate(
                    """(e => e.labels?.[0]?.textContent
                         ?? document.getElementById(
                              e.getAttribute("aria-labelledby"))?.textContent
                         ?? e.textContent)(document.activeElement)"""
                )
            )
        assert names == [
            "Remove",
            "Another persona",
            "Take this card",
            "PIN tries left",
            "Set tries",
            "Fault",
            "at command",
            "Set fault",
            "No fault",
            "Clear",
            "Commands",
        ]
