"""Sites that are allowed for longer: what is stored, what counts, and what ends it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent import host, origins, originstore, sockets
from agent.exclusive import exclusive
from agent.origins import BadOrigin, Grant, Stored, end, mixed_labels, normalised
from agent.originstore import OriginsRefused, OriginStore
from agent.settings import Settings
from agent.texts import LANGUAGES, text
from agent.ui import Consent
from agent.ui.terminal import TerminalInterface
from cardio.readers import ReaderSource
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import VirtualReaders
from tests.agent.people import PORTAL, FakeWindows, Person, running
from tests.agent.program import run, started
from tests.agent.test_events import closing, ticket
from tests.agent.test_failures import Between
from tests.rig.transcript import RecordedCard

OTHER = "https://other.example"
TODAY = datetime.date(2026, 1, 31)

# --- origins as browsers write them --------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://portal.example", "https://portal.example"),
        ("https://Portal.Example:443", "https://portal.example"),
        ("https://portal.example:8443", "https://portal.example:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        (
            "https://\u0430\u0440\u0440\u04cf\u0435.example",
            "https://xn--80ak6aa92e.example",
        ),
        ("https://[0:0:0:0:0:0:0:1]:8", "https://[::1]:8"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(url: str, origin: str) -> None:
    """International names in punycode, as the browser does it and not as IDNA 2003."""
    assert normalised(url) == origin
    assert normalised(origin) == origin


BAD_ORIGINS = [
    ("portal.example", "scheme"),
    ("ftp://portal.example", "scheme"),
    ("null", "scheme"),
    ("chrome-extension://abc", "scheme"),
    ("http://portal.example", "http"),
    ("http://localhost.example", "http"),
    ("https://portal.example/", "path"),
    ("https://portal.example/login?a#b", "path"),
    ("https://portal.example\\@evil.example", "path"),
    ("https://me:secret@portal.example", "person"),
    ("https://", "name"),
    ("https://portal example", "name"),
    ("https://[::1", "name"),
    ("https://[12345::]", "name"),
    ("https://*.example", "name"),
    ("https://a\u202eb.example", "name"),
    ("https://a\nb", "name"),
    ("https://portal.example:0", "port"),
    ("https://portal.example:65536", "port"),
    ("https://portal.example:", "name"),
]


@pytest.mark.parametrize(("url", "reason"), BAD_ORIGINS)
def test_what_no_browser_sends_is_refused_with_its_reason(
    url: str, reason: str
) -> None:
    """And the reason is a sentence's part in each language."""
    with pytest.raises(BadOrigin) as refusal:
        normalised(url)
    assert refusal.value.reason == f"reason-origin-{reason}"
    assert all(text(refusal.value.reason, lang) for lang in LANGUAGES)


@pytest.mark.parametrize(
    ("url", "mixed"),
    [
        ("https://portal.example", ()),
        ("https://bücher.example", ()),
        ("https://пример.example", ()),
        ("https://日本語テスト.example", ()),
        ("https://東京shop.example", ()),
        ("https://p\u0430ypal.example", ("xn--pypal-4ve",)),  # a Cyrillic letter in it
        ("https://www.g\u03bfogle.example:8443", ("xn--ggle-0nda",)),
    ],
)
def test_parts_of_several_scripts_are_found(url: str, mixed: tuple[str, ...]) -> None:
    """They are named as they are shown, in punycode."""
    found = mixed_labels(normalised(url))
    assert len(found) == len(mixed)
    assert all(label.startswith("xn--") and label in normalised(url) for label in found)


async def test_a_question_shows_an_international_name_in_punycode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the browser sent it: a look-alike of another name shows what it is."""
    shown: list[str] = []

    async def answered(_self: object, _lang: str, words: str) -> bool:
        shown.append(words)
        return True

    monkeypatch.setattr(TerminalInterface, "_yes_no", answered)
    terminal: Any = TerminalInterface()
    origin = normalised("https://\u0430\u0440\u0440\u04cf\u0435.example")
    async with running("adult", person=terminal) as agent:
        body = {"include": ["identity"]}
        headers = {"Origin": origin}
        answer = await agent.call("POST", "/v1/identity", body, headers=headers)
        assert answer.status == 200
    assert "xn--80ak6aa92e.example asks for" in shown[0]


# --- the form on disk ----------------------------------------------------------------

ALWAYS = Grant(PORTAL, "identity", end(TODAY), ("identity", "address"), "0" * 64)
COMMAND = Grant(OTHER, "sign", end(TODAY))
STORED = Stored(b"s" * 16, (ALWAYS, COMMAND))


def test_thirteen_months() -> None:
    """To the same day, or the last of a shorter month; no longer."""
    assert end(TODAY) == datetime.date(2027, 2, 28)
    assert end(datetime.date(2026, 12, 1)) == datetime.date(2028, 1, 1)
    assert ALWAYS.counts(TODAY)
    assert not ALWAYS.counts(end(TODAY))
    assert ALWAYS.counts(end(TODAY) - datetime.timedelta(days=1))
    assert not ALWAYS.counts(TODAY - datetime.timedelta(days=30))


def test_what_is_written_is_read() -> None:
    """And names the card by its hash alone."""
    assert Stored.from_bytes(STORED.to_bytes()) == STORED
    marks = {Stored(salt).mark(b"serial") for salt in (b"s" * 16, b"t" * 16)}
    assert len(marks) == 2
    assert all(b"serial".hex() not in mark for mark in marks)


def _changed(**members: Any) -> bytes:
    content = json.loads(STORED.to_bytes())
    content["grants"][0] |= members
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        STORED.to_bytes()[:-5],
        _changed(origin="https://portal.example/"),
        _changed(origin="http://portal.example"),
        _changed(capability="everything"),
        _changed(capability="sign", data=[]),
        _changed(capability="login"),
        _changed(data=["photo"]),
        _changed(data=["identity", "photo"]),
        _changed(data=["address", "identity"]),
        _changed(data=[]),
        _changed(data="identity"),
        _changed(data=[1]),
        _changed(card=None),
        _changed(card="x"),
        _changed(until="never"),
        _changed(until=1),
        _changed(more=True),
        STORED.to_bytes().replace(b'"version": 1', b'"version": 2'),
        STORED.to_bytes().replace(b"7373", b"zz73"),
        STORED.to_bytes().replace(b"7373", b"73", 1),
    ],
)
def test_what_was_not_written_by_us_is_no_grant(data: bytes, tmp_path: Path) -> None:
    """One wrong grant and none of the file counts; it is not written over either."""
    host.write_private(tmp_path / originstore.FILE, data)
    store = OriginStore(tmp_path)
    assert store.now().grants == ()
    with pytest.raises(OriginsRefused):
        store.add(lambda _: (COMMAND,))
    assert (tmp_path / originstore.FILE).read_bytes() == data


@pytest.mark.parametrize("kind", ["writable", "readable", "link", "folder"])
def test_a_file_that_others_could_have_written_is_no_grant(
    tmp_path: Path, kind: str
) -> None:
    """Refused with a reason, and counted as empty."""
    path = tmp_path / originstore.FILE
    OriginStore(tmp_path).add(lambda _: (_fresh(),))
    assert OriginStore(tmp_path).now().grants
    match kind:
        case "writable":
            path.chmod(0o602)
        case "readable":
            path.chmod(0o640)
        case "link":
            path.rename(tmp_path / "there")
            path.symlink_to(tmp_path / "there")
        case _:
            path.unlink()
            path.mkdir()
    store = OriginStore(tmp_path)
    assert store.now().grants == ()
    with pytest.raises(OriginsRefused) as refusal:
        store.read()
    assert refusal.value.reason == "reason-not-private"


def _fresh(origin: str = PORTAL, capability: str = "identity") -> Grant:
    return Grant(origin, capability, end(originstore.today()))


def test_the_same_grant_is_stored_once_and_ended_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allowing again begins the 13 months anew."""
    store = OriginStore(tmp_path)
    monkeypatch.setattr(originstore, "today", lambda: TODAY)
    store.add(lambda _: (Grant(OTHER, "login", end(TODAY)),))
    store.add(lambda _: (_fresh(),))
    monkeypatch.setattr(
        originstore, "today", lambda: end(TODAY) - datetime.timedelta(days=1)
    )
    store.add(lambda _: (_fresh(),))
    assert len(store.read().grants) == 2
    monkeypatch.setattr(originstore, "today", lambda: end(TODAY))
    store.add(lambda _: (_fresh(),))
    assert [grant.origin for grant in store.read().grants] == [PORTAL]
    assert (tmp_path / originstore.FILE).stat().st_mode & 0o777 == 0o600


def test_two_writers_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never lets go is a failure, and nothing is lost."""
    monkeypatch.setattr("agent.exclusive._WAIT_SECONDS", 0.05)
    OriginStore(tmp_path).add(lambda _: (_fresh(),))
    with (
        exclusive(tmp_path / "origins.lock"),
        pytest.raises(TimeoutError),
    ):
        OriginStore(tmp_path).add(lambda _: (_fresh(OTHER),))
    OriginStore(tmp_path).add(lambda _: (_fresh(OTHER),))
    assert len(OriginStore(tmp_path).now().grants) == 2


# --- `origins allow` and `revoke` at a running agent ---------------------------------


async def _origin(agent: Any) -> Any:
    return (await agent.call("GET", "/v1/status")).body["origin"]


async def test_an_allowed_site_is_allowed_and_revoking_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the agent runs, with a question's "this once", and the socket too."""
    monkeypatch.setattr(sockets, "_LOOK_SECONDS", 0.01)
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        assert await _origin(agent) == "ask"
        OriginStore(tmp_path).add(lambda _: (_fresh(),))
        assert await _origin(agent) == "allowed"
        assert (await agent.call("GET", "/v1/readers")).status == 200
        assert (await agent.identity("identity", "photo")).status == 200
        assert agent.person.questions == []  # a virtual card, as with --allow-origin
        async with agent.socket(await ticket(agent)) as socket:
            assert OriginStore(tmp_path).revoke(PORTAL)
            assert await closing(socket) == (1008, "consent-ended")
        assert await _origin(agent) == "ask"
        assert (await agent.call("GET", "/v1/readers")).status == 403
        assert (await agent.identity("identity")).status == 200
        assert len(agent.person.questions) == 1


async def test_the_file_of_another_capability_spares_no_question(
    tmp_path: Path,
) -> None:
    """Allowed for logins: a site as any other when it asks for data."""
    OriginStore(tmp_path).add(lambda _: (_fresh(capability="login"),))
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        assert await _origin(agent) == "allowed"
        assert (await agent.identity("identity")).status == 200
        assert len(agent.person.questions) == 1


async def test_an_allowed_site_asks_consent_to_a_real_cards_data(
    tmp_path: Path,
) -> None:
    """And the PIN in any case."""
    OriginStore(tmp_path).add(lambda _: (_fresh(), _fresh(capability="login")))

    def through(readers: VirtualReaders) -> ReaderSource:
        return Between(readers, virtual=False)

    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings, through=through) as agent:
        for call in (agent.identity("identity"), agent.login()):
            assert (await call).status == 200
        assert len(agent.person.questions) == 2


async def test_http_pages_of_this_machine_can_be_allowed(tmp_path: Path) -> None:
    """As with --allow-origin; others stay outside the gate."""
    OriginStore(tmp_path).add(lambda _: (_fresh("http://localhost:8000"),))
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        for origin, status in (
            ("http://localhost:8000", 200),
            ("http://localhost:8001", 403),
        ):
            headers = {"Origin": origin}
            answer = await agent.call("GET", "/v1/status", headers=headers)
            assert answer.status == status


# --- "always" ------------------------------------------------------------------------


async def _read(folder: Path, *include: str, **options: Any) -> tuple[int, FakeWindows]:
    """Read once with a person who answers "always"; the questions are in the person."""
    person = options.pop("person", None) or FakeWindows()
    members = options.pop("members", {})
    persona = options.pop("persona", "adult")
    settings = Settings(data_dir=folder, **options)
    async with running(persona, person=person, settings=settings) as agent:
        answer = await agent.identity(*include, **members)
        assert answer.status == 200
    return len(person.questions), person


async def test_always_asks_no_more_and_is_shown(tmp_path: Path) -> None:
    """The next run asks nothing for the same, and each use is a notice."""
    asked, person = await _read(tmp_path, "identity", "address")
    assert (asked, person.notices) == (1, [])
    asked, person = await _read(tmp_path, "address", "identity")
    assert asked == 0
    (notice,) = person.notices
    assert (notice.site, notice.data) == (PORTAL, ("identity", "address"))


@pytest.mark.parametrize(
    ("include", "options"),
    [
        (("identity",), {}),
        (("identity", "address", "photo"), {}),
        (("identity", "address"), {"persona": "adult-1.7"}),
        (("identity", "address"), {"counter": True}),
        (("identity", "address"), {"person": Person()}),
        (("identity", "address"), {"members": {"challenge": "c" * 44}}),
    ],
    ids=["less data", "more data", "another card", "counter", "terminal", "chip"],
)
async def test_always_is_one_site_one_set_of_data_one_card(
    tmp_path: Path, include: tuple[str, ...], options: dict[str, Any]
) -> None:
    """In all else the person is asked as ever, and nothing is told of."""
    await _read(tmp_path, "identity", "address")
    asked, person = await _read(tmp_path, *include, **options)
    assert asked == 1
    assert not getattr(person, "notices", [])


async def test_another_site_is_asked_about(tmp_path: Path) -> None:
    """The grant is the origin's, to the letter."""
    await _read(tmp_path, "identity")
    person = FakeWindows()
    settings = Settings(data_dir=tmp_path)
    async with running("adult", person=person, settings=settings) as agent:
        headers = {"Origin": "https://portal.example:8443"}
        body = {"include": ["identity"]}
        answer = await agent.call("POST", "/v1/identity", body, headers=headers)
        assert answer.status == 200
    assert len(person.questions) == 1


@pytest.mark.parametrize(
    ("include", "options"),
    [
        (("photo",), {}),
        (("identity", "photo"), {}),
        (("identity",), {"counter": True}),
        (("identity",), {"members": {"challenge": "c" * 44}}),
    ],
    ids=["photo", "identity and photo", "counter", "chip"],
)
async def test_always_does_not_exist_for_photo_counter_and_chip(
    tmp_path: Path, include: tuple[str, ...], options: dict[str, Any]
) -> None:
    """It is not offered, and an interface that gives it all the same gave once."""
    for _ in range(2):
        asked, person = await _read(tmp_path, *include, **options)
        assert asked == 1
        (question,) = person.questions
        assert isinstance(question, Consent)
        assert not question.lasting
    assert not (tmp_path / originstore.FILE).exists()


async def test_a_terminal_counts_no_stored_always(tmp_path: Path) -> None:
    """Nor is the site an allowed one there."""
    await _read(tmp_path, "identity")
    async with running("adult", settings=Settings(data_dir=tmp_path)) as agent:
        assert await _origin(agent) == "ask"
    windows = FakeWindows()
    settings = Settings(data_dir=tmp_path)
    async with running("adult", person=windows, settings=settings) as agent:
        assert await _origin(agent) == "allowed"
    assert TerminalInterface().notice is None


async def test_always_ends_with_its_months_and_with_revoking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the person is asked again."""
    await _read(tmp_path, "identity")
    last = end(originstore.today())
    with monkeypatch.context() as later:
        later.setattr(originstore, "today", lambda: last)
        later.setattr("agent.disclosures.today", lambda: last)
        assert (await _read(tmp_path, "identity"))[0] == 1
    OriginStore(tmp_path).revoke(PORTAL)
    assert (await _read(tmp_path, "identity"))[0] == 1


async def test_the_file_of_always_names_no_card(tmp_path: Path) -> None:
    """Its chip number is in there as a salted hash alone."""
    await _read(tmp_path, "identity")
    stored = (tmp_path / originstore.FILE).read_bytes()
    card = RecordedCard(load_profile("adult"))
    serial = card.profile.chip_serial
    assert serial.hex().encode() not in stored.lower()
    assert origins.Stored.from_bytes(stored).mark(serial).encode() in stored


async def test_an_always_that_cannot_be_stored_was_once(tmp_path: Path) -> None:
    """The file is damaged: the data are given, and the next time is asked about."""
    host.write_private(tmp_path / originstore.FILE, b"garbage")
    for _ in range(2):
        assert (await _read(tmp_path, "identity"))[0] == 1
    assert (tmp_path / originstore.FILE).read_bytes() == b"garbage"


# --- the commands --------------------------------------------------------------------


def _origins(folder: Path, *arguments: str) -> Any:
    return run("origins", *arguments, "--data-dir", str(folder), "--lang", "en")


def test_allow_list_and_revoke(tmp_path: Path) -> None:
    """In punycode, with the end; what is unknown is a failure that says so."""
    folder = tmp_path / "data"
    assert _origins(folder, "list").stdout == "No site is allowed.\n"
    allowed = _origins(folder, "allow", "https://Bücher.example")
    assert (allowed.returncode, allowed.stderr) == (0, "")
    listed = _origins(folder, "list").stdout
    until = end(originstore.today()).isoformat()
    assert listed.count("https://xn--bcher-kva.example: may ask for ") == 3
    assert listed.count(f"until {until}.") == 3
    _origins(folder, "allow", OTHER, "--capability", "login")
    found = json.loads(_origins(folder, "list", "--json").stdout)
    assert found["origins"][-1] == {
        "origin": OTHER,
        "capability": "login",
        "data": [],
        "oneCard": False,
        "until": until,
    }
    assert _origins(folder, "revoke", "https://bücher.example").returncode == 0
    again = _origins(folder, "revoke", "https://bücher.example")
    assert again.returncode == 1
    assert "Nothing is stored for https://xn--bcher-kva.example" in again.stderr
    assert len(json.loads(_origins(folder, "list", "--json").stdout)["origins"]) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("portal.example", "has to begin with https://"),
        ("http://portal.example", "only pages of this computer"),
        ("https://portal.example/", "nothing may stand behind the name"),
    ],
)
def test_what_is_no_origin_is_wrong_usage(tmp_path: Path, url: str, words: str) -> None:
    """Exit code 2 with the reason; nothing is stored."""
    for arguments in (("allow", url), ("revoke", url)):
        result = _origins(tmp_path, *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert words in result.stderr
    result = run("run", "--allow-origin", url, "--data-dir", str(tmp_path))
    assert result.returncode == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_count_is_said(tmp_path: Path) -> None:
    """By every action, with what to do; it is left as it is."""
    host.write_private(tmp_path / originstore.FILE, b"garbage")
    for arguments in (("list",), ("allow", PORTAL), ("revoke", PORTAL)):
        result = _origins(tmp_path, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert "it is damaged. Remove the file" in result.stderr
    assert (tmp_path / originstore.FILE).read_bytes() == b"garbage"


async def test_the_program_notices_allow_and_revoke(tmp_path: Path) -> None:
    """The real one, while it runs, at the next request."""
    options = ("--card", "virtual", "--ui", "terminal", "--data-dir", str(tmp_path))
    with started("run", *options, "--mode", "counter") as program:
        port = program.port()
        seen = [await _status(port)]
        _origins(tmp_path, "allow", PORTAL)
        seen.append(await _status(port))
        _origins(tmp_path, "revoke", PORTAL)
        seen.append(await _status(port))
        assert program.end() == 0
    assert seen == ["ask", "allowed", "ask"]


async def _status(port: int) -> str:
    headers = {"Origin": PORTAL, "X-EID-Agent": "1"}
    url = f"https://localhost:{port}/v1/status"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=False) as response,
    ):
        return str((await response.json())["origin"])
