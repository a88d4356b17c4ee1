"""The panel's gate over a real socket, and its desk; pcscd and Chromium: tests/e2e."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.panel.desk import Desk
from cardio.virtual.maker import CardMaker
from cardio.virtual.profile import load_profile
from tests.agent.program import Program, run, started
from tests.agent.scripted_reader import SOON, ScriptedReader, ask


@dataclass
class Panel:
    """A running panel, and the card in the scripted reader."""

    program: Program
    reader: ScriptedReader
    link: socket.socket
    port: int
    token: str
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Origin": f"http://127.0.0.1:{self.port}",
            "X-EID-Agent": "1",
            "Content-Type": "application/json",
        }

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request with these headers and no others."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        with contextlib.closing(connection):
            connection.putrequest(
                method, path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(None if body is None else body.encode())
            response = connection.getresponse()
            return response, response.read()

    def get(self, name: str = "", **headers: str | None) -> http.client.HTTPResponse:
        """Get a file of the page as a browser does; None leaves a header out."""
        return self.ask("GET", f"/{self.token}/{name}", self._with(headers))[0]

    def post(self, name: str, body: Any, **headers: str | None) -> tuple[int, Any]:
        """Call an action as the page does; returns status and body."""
        text = body if isinstance(body, str) else json.dumps(body)
        path = f"/{self.token}/v1/{name}"
        response, answer = self.ask("POST", path, self._with(headers), text)
        return response.status, json.loads(answer)

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
        path = f"/{self.token}/v1/state"
        found: dict[str, Any] = json.loads(self.ask("GET", path, self.headers)[1])
        return found

    def _with(self, changes: dict[str, str | None]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        merged = {**self.headers, **named}
        return {name: value for name, value in merged.items() if value is not None}


@pytest.fixture(scope="module")
def panel() -> Iterator[Panel]:
    """Run the program with a panel."""
    with running() as panel:
        yield panel


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Panel]:
    """Run the program with a panel and a reader; ends both."""
    reader = ScriptedReader()
    with (
        contextlib.closing(reader),
        started(
            "virtual-card", "--panel", "--vpcd", f"127.0.0.1:{reader.port}", *arguments
        ) as program,
        reader.accept() as link,
    ):
        line = program.until(r"panel: \S+\n")
        found = re.search(r"panel: http://127\.0\.0\.1:(\d+)/([\w-]{32})/\n", line)
        assert found, line
        yield Panel(program, reader, link, int(found[1]), found[2])


# --- the gate ------------------------------------------------------------------------


def test_the_page_and_its_files(panel: Panel) -> None:
    """They need the token and a typed address; nothing may come from elsewhere."""
    for name, kind in (("", "html"), ("panel.css", "css"), ("panel.js", "javascript")):
        response = panel.get(name, Origin=None, X_EID_Agent=None, Content_Type=None)
        assert response.status == 200
        assert kind in response.headers["Content-Type"]
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"


def test_without_the_token_there_is_nothing(panel: Panel) -> None:
    """Neither page nor call, and no word of what it is."""
    wrong = panel.token[:-1] + ("A" if panel.token[-1] != "A" else "B")
    paths = ["/", "", f"/{wrong}/", f"/{wrong}/v1/state", "/v1/state", "/panel.js",
             f"/{panel.token}", f"//{panel.token}/", f"/x/{panel.token}/",
             f"/{panel.token}/../", f"/{panel.token}/panel.html", "/%ff/"]  # fmt: skip
    for path in paths:
        response, body = panel.ask("GET", path or "/", panel.headers)
        assert response.status == 404, path
        assert json.loads(body)["code"] == "not-found"
        assert b"adult" not in body
        assert panel.token.encode() not in body
    for method, path in (("POST", f"/{wrong}/v1/remove"), ("OPTIONS", "*")):
        response, _ = panel.ask(method, path, panel.headers, "{}")
        assert response.status == 404


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.2:{}", "localhost.:{}", None],
)
def test_the_panel_wants_its_own_host(panel: Panel, host: str | None) -> None:
    """A name that was bent to this address does not get in (DNS rebinding)."""
    wrong = None if host is None else host.format(panel.port)
    assert panel.get(Host=wrong).status == 421
    assert panel.post("remove", {}, Host=wrong)[0] == 421
    assert panel.state()["place"] == "inside"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_the_panel_under_each_of_its_names(panel: Panel, name: str) -> None:
    """Host and Origin have to be the same one."""
    host = f"{name}:{panel.port}"
    right = {"Host": host, "Origin": f"http://{host}"}
    assert panel.post("clear", {}, **right) == (200, {})
    other = "localhost" if name != "localhost" else "127.0.0.1"
    wrong = {**right, "Origin": f"http://{other}:{panel.port}"}
    assert panel.post("clear", {}, **wrong)[0] == 403


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "https://127.0.0.1:{}", "http://127.0.0.1",
     "http://127.0.0.1:1", "http://127.0.0.1:{}/"],
)  # fmt: skip
def test_the_panel_wants_its_own_page(panel: Panel, origin: str | None) -> None:
    """Another page's POST is refused, and it may read no answer."""
    wrong = None if origin is None else origin.format(panel.port)
    status, body = panel.post("remove", {}, Origin=wrong)
    assert (status, body["code"]) == (403, "origin-refused")
    if wrong is not None:
        assert panel.get(Origin=wrong).status == 403
    assert panel.state()["place"] == "inside"


def test_the_panel_gives_no_other_page_leave_to_read(panel: Panel) -> None:
    """No CORS headers, to a preflight neither; a fetch from elsewhere is refused."""
    for response in (
        panel.get(),
        panel.ask("OPTIONS", f"/{panel.token}/v1/remove", panel.headers)[0],
    ):
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for site in ("cross-site", "same-site"):
        assert panel.get(Origin=None, Sec_Fetch_Site=site).status == 403


def test_the_panel_wants_the_own_header_and_json(panel: Panel) -> None:
    """What a form can send does nothing, and nothing is shown for it."""
    assert panel.post("remove", {}, X_EID_Agent=None)[0] == 400
    assert panel.post("remove", {}, Content_Type="text/plain")[0] == 400
    assert panel.get("v1/state", X_EID_Agent=None).status == 400
    assert panel.state()["place"] == "inside"


def test_no_get_has_an_effect(panel: Panel) -> None:
    """Actions are POST alone."""
    assert panel.get("v1/remove").status == 405
    assert panel.state()["place"] == "inside"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("persona", {"name": "nobody"}),
        ("persona", {"name": "/etc"}),
        ("persona", {}),
        ("tries", {"left": 4}),
        ("tries", {"left": -1}),
        ("tries", {"left": True}),
        ("tries", {"left": "1"}),
        ("tries", {"left": 1, "more": 1}),
        ("fault", {"fault": "nothing"}),
        ("fault", {"fault": "mute:0"}),
        ("fault", []),
        ("fault", "no json"),
        ("fault", '"text"'),
    ],
)
def test_wrong_actions(panel: Panel, name: str, body: Any) -> None:
    """They are refused with a reason, and change nothing."""
    before = panel.state()
    status, answer = panel.post(name, body)
    assert (status, answer["code"]) == (400, "invalid-request")
    assert answer["detail"]
    after = panel.state()
    assert [after[key] for key in ("persona", "triesLeft", "fault")] == [
        before[key] for key in ("persona", "triesLeft", "fault")
    ]


def test_a_large_body_is_refused(panel: Panel) -> None:
    """No action needs more than a line."""
    assert panel.post("fault", {"fault": "x" * 5000})[0] == 413


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who listens")
def test_the_panel_listens_on_loopback_alone(panel: Panel) -> None:
    """The machine's other addresses have nothing on this port."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    ports = [line.split()[1] for line in table if f":{panel.port:04X} " in line]
    assert f"0100007F:{panel.port:04X}" in ports
    assert f"00000000:{panel.port:04X}" not in ports


# --- the desk ------------------------------------------------------------------------


def test_what_the_desk_does_reaches_the_card() -> None:
    """Tries, fault, removal, insertion, persona, and the trace of it all."""
    with running("--fault", "wrong-sw:2") as panel:
        state = panel.state()
        assert state["fault"] == {"name": "wrong-sw", "at": 2}
        assert (state["persona"], state["triesLeft"]) == ("adult", 3)
        assert panel.post("tries", {"left": 2})[0] == 200
        assert ask(panel.link, "0020000100") == b"\x63\xc2"
        assert ask(panel.link, "0020000100") == b"\x6f\x00"
        assert panel.state()["fault"] is None
        verify = "0020000108241234FFFFFFFFFF"
        assert ask(panel.link, verify) == b"\x90\x00"
        rows = panel.state()["trace"]
        assert (rows[-1]["command"], rows[-1]["answer"]) == (
            "00 20 00 01 08 **",
            "90 00",
        )
        assert "1234" not in json.dumps(rows).replace(" ", "")

        assert panel.post("remove", {}) == (200, {})
        assert panel.link.recv(1) == b""
        assert panel.state()["place"] == "outside"
        assert panel.post("persona", {"name": "adult-1.7"})[0] == 200
        assert panel.state()["place"] == "outside"
        inserting = threading.Thread(target=panel.post, args=("insert", {}))
        inserting.start()
        with panel.reader.accept() as link:
            assert ask(link, "80E400001C")[21] == 0x17
            inserting.join(SOON)
            state = panel.state()
            assert (state["persona"], state["applet"]) == ("adult-1.7", "1.7")
            assert state["place"] == "inside"
            assert panel.program.end() == 0
            assert link.recv(1) == b""


def test_a_question_for_news_ends_with_the_news() -> None:
    """The page learns of a command when it is there, and polls nothing."""
    with running() as panel:
        state = panel.state()
        seen = f"/{panel.token}/v1/state?seen={state['version']}&after=1000"
        answers: list[dict[str, Any]] = []

        def wait() -> None:
            answers.append(json.loads(panel.ask("GET", seen, panel.headers)[1]))

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not answers:
            ask(panel.link, "80E400001C")
            waiting.join(0.05)
        assert answers[0]["version"] > state["version"]
        assert panel.program.end() == 0


def test_inserting_into_a_reader_that_went_away() -> None:
    """The page says so; the panel goes on."""
    with running() as panel:
        panel.post("remove", {})
        panel.reader.close()
        status, body = panel.post("insert", {})
        assert (status, body["code"]) == (424, "no-reader")
        assert panel.state()["problem"]
        assert panel.program.end() == 0


@pytest.mark.parametrize("panel", [("--panel",), ()])
def test_without_a_reader_the_program_fails(panel: tuple[str, ...]) -> None:
    """With a panel and without one: exit code 1, why, and what to do."""
    result = run("virtual-card", *panel, "--vpcd", "127.0.0.1:1")
    assert result.returncode == 1
    assert "127.0.0.1:1 (nothing listens there)" in result.stderr
    assert "vsmartcard-vpcd" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("panel", [("--panel",), ()])
def test_an_occupied_reader_ends_the_program(panel: tuple[str, ...]) -> None:
    """A reader that takes no notice has another card: so it is said, not silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        result = run("virtual-card", *panel, "--vpcd", place)
    assert result.returncode == 1
    assert f"{place} has a card already" in result.stderr
    assert result.stdout == ""


def test_inserting_into_an_occupied_reader() -> None:
    """The page says so once the reader had its time, and not before that it is in."""
    with running() as panel:
        panel.post("remove", {})
        panel.link.close()
        answers: list[tuple[int, Any]] = []
        inserting = threading.Thread(
            target=lambda: answers.append(panel.post("insert", {}))
        )
        inserting.start()
        with panel.reader.accept_mute():
            assert panel.state()["place"] == "on-its-way"
            inserting.join(2 * SOON)
        assert answers[0][0] == 424
        state = panel.state()
        assert (state["place"], state["problem"]) == (
            "outside",
            "another card is in it",
        )
        assert panel.program.end() == 0


def test_sigterm_while_a_card_is_on_its_way() -> None:
    """The program ends at once, and shows no panel."""
    reader = ScriptedReader()
    words = ("virtual-card", "--panel", "--vpcd", f"127.0.0.1:{reader.port}")
    with contextlib.closing(reader), started(*words) as program, reader.accept_mute():
        assert program.end() == 0
        assert program.process.stdout is not None
        assert program.process.stdout.read() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="pcsc-lite's socket")
def test_a_service_that_waits_to_be_called_is_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd starts pcscd, and with it the virtual reader, at the first call."""
    pytest.importorskip("smartcard")
    place = tmp_path / "pcscd.comm"
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(place))
    with socket.socket(socket.AF_UNIX) as service, socket.socket() as nobody:
        service.bind(str(place))
        service.listen()
        service.settimeout(SOON)
        nobody.bind(("127.0.0.1", 0))  # nobody else takes this port meanwhile
        port = nobody.getsockname()[1]
        with started(
            "virtual-card", "--panel", "--vpcd", f"127.0.0.1:{port}"
        ) as program:
            service.accept()[0].close()
            service.close()
            assert program.process.wait(SOON) == 1


def test_each_insertion_wakes_the_service() -> None:
    """It may have gone to sleep while the reader was empty, and its reader with it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))

        def power() -> None:
            with server.accept()[0] as link:
                link.sendall(b"\x00\x01\x01")
                link.recv(1)

        reader = threading.Thread(target=power)

        def wake() -> None:
            server.listen()
            reader.start()

        maker = CardMaker()
        desk = Desk(
            maker,
            maker.make(load_profile("kids")),
            server.getsockname(),
            wake=wake,
            changed=lambda: None,
            powered=lambda: None,
        )
        desk.insert()
        assert desk.state()["place"] == "inside"
        desk.remove()
        reader.join(SOON)


def test_counters_stay_with_the_card() -> None:
    """A card that is put away and taken again has the tries that it had."""
    with running() as panel:
        panel.post("remove", {})
        panel.post("tries", {"left": 1})
        panel.post("persona", {"name": "kids"})
        assert panel.state()["triesLeft"] == 3
        panel.post("persona", {"name": "adult"})
        assert panel.state()["triesLeft"] == 1
