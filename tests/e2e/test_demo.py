"""From the portal's page to the receipt, with the virtual card in the process."""

from __future__ import annotations

import re
import signal

import pytest

from cardio.beid.identity import parse_address, parse_identity
from cardio.files import EF
from cardio.virtual.profile import load_profile
from tests.e2e.harness import needs_chromium, needs_screen, virtual_screen, visit

pytestmark = [pytest.mark.browser, needs_chromium]


async def test_from_start_to_receipt() -> None:
    """Log in, see the card's own name and address, confirm, get a receipt, log out."""
    card = load_profile("adult")
    identity = parse_identity(card.files[EF.IDENTITY])
    address = parse_address(card.files[EF.ADDRESS])
    async with visit() as visitor:
        page = visitor.page
        assert "TEST" in await page.locator(".notice").inner_text()
        question = await visitor.log_in()
        assert visitor.demo.portal.rstrip("/").removeprefix("https://") in question
        await visitor.page.wait_for_selector('main[data-step="read"]')
        assert "terminalvenster" in await visitor.text()
        consent = await visitor.demo.program.question()
        assert "wachtlijst" in consent
        await visitor.demo.program.answer("y")
        await visitor.state("data")
        shown = await visitor.text()
        for value in (identity.surname, identity.given_names):
            assert value
            assert value in shown
        for value in (address.street_and_number, address.municipality):
            assert value
            assert value in shown
        await visitor.click("Ja, ik wil op de wachtlijst blijven")
        await visitor.state("receipt")
        receipt = await visitor.text()
        assert "WL-2" in receipt
        assert str(identity.surname) in receipt
        assert page.url == visitor.demo.portal
        await page.reload()
        await visitor.state("receipt")
        await page.locator("main").get_by_role("button", name="Afmelden").click()
        await visitor.state("start")
        assert str(identity.surname) not in await page.content()
        await page.reload()
        await visitor.state("start")
        assert visitor.posts() == ["POST /v1/authenticate", "POST /v1/identity"]


async def test_a_wrong_pin_is_one_request_and_one_try() -> None:
    """The page says how many tries are left; nothing is sent again by itself."""
    async with visit() as visitor:
        await visitor.log_in("9999")
        await visitor.state("error", "pin-incorrect")
        assert "nog 2 pogingen" in await visitor.text()
        assert visitor.posts() == ["POST /v1/authenticate"]
        await visitor.click("Probeer opnieuw")
        question = await visitor.demo.program.question()
        assert "2" in question
        await visitor.demo.program.answer("1234")
        assert (await visitor.demo.program.question()).endswith("[y/n] ")
        await visitor.state("waiting")  # the browser has told of its requests by then
        assert visitor.posts().count("POST /v1/authenticate") == 2


async def test_the_last_try_is_asked_for_and_blocks() -> None:
    """With one try left a deliberate yes comes first; then the page names the way."""
    async with visit("--persona", "one-try") as visitor:
        await visitor.click("Aanmelden met eID")
        assert (await visitor.demo.program.question()).endswith("[y/n] ")
        await visitor.demo.program.answer("y")
        assert (await visitor.demo.program.question()).endswith("PIN: ")
        await visitor.demo.program.answer("9999")
        await visitor.page.wait_for_selector('main[data-state="error"]')
        text = await visitor.text()
        assert "geblokkeerd" in text
        assert "dienst bevolking" in text


@pytest.mark.parametrize(
    ("persona", "code", "words"),
    [
        (
            "blocked",
            "pin-blocked",
            ["gemeente", "april 2021 of later", "Is je kaart ouder", "PUK"],
        ),
        ("kids", "no-certificate", ["certificaat", "Kids-ID"]),
        ("expired", "certificate-expired", ["vervallen", "nieuwe identiteitskaart"]),
    ],
)
async def test_cards_that_cannot_log_in(
    persona: str, code: str, words: list[str]
) -> None:
    """The page says why and what to do; the terminal asks nothing."""
    async with visit("--persona", persona) as visitor:
        await visitor.click("Aanmelden met eID")
        await visitor.state("error", code)
        text = await visitor.text()
        assert all(word in text for word in words)
        assert visitor.posts() == ["POST /v1/authenticate"]
        assert await visitor.demo.program.asked_nothing_more()


@pytest.mark.parametrize("persona", ["adult-1.7", "foreigner", "long-names"])
async def test_other_cards_reach_their_data(persona: str) -> None:
    """RSA cards, foreigners' cards and long names come through as well."""
    identity = parse_identity(load_profile(persona).files[EF.IDENTITY])
    async with visit("--persona", persona) as visitor:
        await visitor.to_data()
        assert str(identity.surname) in await visitor.text()


async def test_the_person_says_no() -> None:
    """A refused reading shows no data; a new click asks for the reading alone."""
    async with visit() as visitor:
        await visitor.log_in()
        await visitor.demo.program.question()
        await visitor.demo.program.answer("n")
        await visitor.state("error", "user-denied")
        text = await visitor.text()
        assert "gestopt" in text
        assert "we je naam en je rijksregisternummer, en niets anders" in text
        assert await visitor.page.locator("#logout").is_visible()
        await visitor.click("Probeer opnieuw")
        assert (await visitor.demo.program.question()).endswith("[y/n] ")
        await visitor.demo.program.answer("y")
        await visitor.state("data")
        assert visitor.posts().count("POST /v1/authenticate") == 1


async def test_the_card_can_be_read_again() -> None:
    """From the page with the data; what was read before is named if that fails."""
    async with visit() as visitor:
        await visitor.to_data()
        await visitor.click("Lees mijn kaart opnieuw")
        assert (await visitor.demo.program.question()).endswith("[y/n] ")
        await visitor.demo.program.answer("y")
        await visitor.state("data")
        await visitor.click("Lees mijn kaart opnieuw")
        await visitor.demo.program.question()
        await visitor.click("Stoppen")
        await visitor.state("error", "user-cancelled")
        assert "je adres van daarnet" in await visitor.text()
        assert visitor.posts().count("POST /v1/authenticate") == 1


async def test_what_a_visitor_needs_fits_the_card() -> None:
    """A demo with a virtual card asks for no reader at this computer."""
    async with visit() as visitor:
        text = await visitor.text()
        assert "een eigen kaart of kaartlezer is niet nodig" in text
        assert "een kaartlezer aan deze computer" not in text


async def test_stopping_on_the_page_ends_the_question() -> None:
    """The agent's question is over, and the next click gets a new one."""
    async with visit() as visitor:
        await visitor.click("Aanmelden met eID")
        await visitor.demo.program.question()
        await visitor.click("Stoppen")
        await visitor.state("error", "user-cancelled")
        assert "We hebben niets van je bewaard" in await visitor.text()
        await visitor.demo.program.expect("voorbij")
        await visitor.click("Probeer opnieuw")
        assert (await visitor.demo.program.question()).endswith("PIN: ")


async def test_the_agent_ends_while_the_page_waits() -> None:
    """The page notices at once and says what to do."""
    async with visit() as visitor:
        await visitor.click("Aanmelden met eID")
        await visitor.demo.program.question()
        await visitor.demo.program.stop(signal.SIGKILL)
        await visitor.state("error", "agent-unavailable")
        text = await visitor.text()
        assert "Start de demo opnieuw" in text


async def test_the_agent_is_not_there() -> None:
    """With no agent on the port the portal says so before asking for anything."""
    async with visit() as visitor:
        await visitor.page.context.set_offline(False)
        await visitor.page.route(
            f"{visitor.demo.agent}/**", lambda route: route.abort("connectionrefused")
        )
        await visitor.click("Aanmelden met eID")
        await visitor.state("error", "agent-unavailable")
        assert visitor.posts() == []


async def test_the_session_ends_on_the_page_too() -> None:
    """After a quarter of an hour the page holds no data any more."""
    async with visit() as visitor:
        await visitor.page.clock.install()
        await visitor.page.reload()
        await visitor.state("start")
        await visitor.to_data()
        await visitor.page.clock.fast_forward("15:01")
        await visitor.state("error", "session-ended")
        surname = str(parse_identity(load_profile("adult").files[EF.IDENTITY]).surname)
        assert surname not in await visitor.page.content()


async def test_in_german_from_start_to_receipt() -> None:
    """A German browser: page, questions in the terminal, and dates are German."""
    async with visit(locale="de-BE") as visitor:
        page, terminal = visitor.page, visitor.demo.program
        assert await page.evaluate("document.documentElement.lang") == "de"
        assert "Terminalfenster" in await visitor.text()
        question = await visitor.log_in()
        assert "möchte Sie anmelden" in question
        consent = await terminal.question()
        assert "Prüfen, ob Sie auf der Warteliste bleiben möchten" in consent
        assert "Erlauben Sie es" in consent
        await terminal.answer("j")
        await visitor.state("data")
        await visitor.click("Ja, ich möchte auf der Warteliste bleiben")
        await visitor.state("receipt")
        number = await page.locator(".receipt [data-field=number]").inner_text()
        date = await page.locator("[data-field=at]").inner_text()
        assert re.search(rf"\d\. [A-Z]\w+ {number[3:7]} um \d\d:\d\d$", date)
        assert (await page.title()).startswith("Sie bleiben auf der Warteliste ")


async def test_a_change_of_language_keeps_the_error() -> None:
    """Said in the other language, and the next question comes in it; no PIN is lost."""
    async with visit() as visitor:
        page = visitor.page
        await visitor.log_in("9999")
        await visitor.state("error", "pin-incorrect")
        await page.get_by_role("link", name="Français").click()
        await page.wait_for_selector('html[lang="fr"]')
        await visitor.state("error", "pin-incorrect")
        assert "Il vous reste 2 essais" in await visitor.text()
        await visitor.click("Réessayer")
        question = await visitor.demo.program.question()
        assert "demande que vous vous connectiez" in question
        await visitor.state("waiting")
        assert visitor.posts().count("POST /v1/authenticate") == 2
        await visitor.click("Arrêter")
        await visitor.state("error", "user-cancelled")
        await page.reload()
        await visitor.state("start")
        assert await page.evaluate("document.documentElement.lang") == "fr"


async def test_a_change_of_language_ends_a_question() -> None:
    """It is withdrawn in the terminal; the next one comes in the other language."""
    async with visit() as visitor:
        await visitor.click("Aanmelden met eID")
        await visitor.demo.program.question()
        await visitor.page.get_by_role("link", name="English").click()
        await visitor.page.wait_for_selector('html[lang="en"]')
        await visitor.state("start")
        await visitor.demo.program.expect("voorbij")
        assert "wants to log you in" in await visitor.log_in()


@needs_screen
async def test_with_windows_the_page_speaks_of_no_terminal() -> None:
    """The demo asks in windows where there is a screen, and the page knows."""
    async with virtual_screen() as screen:
        env = {"DISPLAY": screen.name}
        async with visit("--ui", "desktop", env=env) as visitor:
            assert "in een eigen venster" in await visitor.text()
            await visitor.click("Aanmelden met eID")
            await visitor.page.wait_for_selector('main[data-step="login"]')
            assert "het venster van de eID-agent" in await visitor.text()
            assert "terminal" not in await visitor.page.content()
            await visitor.click("Stoppen")
            await visitor.state("error", "user-cancelled")


EVENTS = """async () => {
  const eid = await import("/static/client.js");
  const port = Number(document.documentElement.dataset.agentPort);
  window.heard = [];
  window.conversation = await eid.events((event) => heard.push(event), { port });
}"""


async def test_a_page_hears_of_its_operations_and_the_end() -> None:
    """Over a WebSocket of the real browser: progress, questions, the agent's end."""
    async with visit() as visitor:
        await visitor.to_data()
        await visitor.page.evaluate(EVENTS)
        page, terminal = visitor.page, visitor.demo.program
        await page.evaluate("""() => { window.read = (async () => {
          const eid = await import("/static/client.js");
          const port = Number(document.documentElement.dataset.agentPort);
          await eid.readIdentity({ port, include: ["photo"] });
        })(); }""")
        await terminal.question()
        await terminal.answer("y")
        await page.evaluate("window.read")
        await page.wait_for_function(
            "heard.some((e) => e.type === 'progress' && e.done === e.total)"
        )
        kinds = await page.evaluate("heard.map((e) => e.state ?? e.type)")
        assert kinds[:3] == ["opened", "closed", "progress"]
        await terminal.stop()
        await page.wait_for_function("heard.at(-1).type === 'closed'")
        assert await page.evaluate("[heard.at(-1).code, heard.at(-1).reason]") == [
            1001,
            "closing",
        ]
