"""The administrator's policy: what it decides, who may write it, where it is wrong."""

from __future__ import annotations

import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import host, policy, sockets
from agent.host import _sddl
from agent.originstore import OriginStore
from agent.policy import BadPolicy, Policy
from agent.policyfile import PolicyFile
from agent.settings import Settings
from agent.texts import LANGUAGES, text
from tests.agent.people import NONCE, PORTAL, Agent, FakeWindows, running
from tests.agent.program import Program
from tests.agent.test_events import closing, ticket
from tests.agent.test_origins import OTHER, _fresh

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")


@pytest.fixture
def administrator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the policy stands; whoever runs the tests counts as administrator.

    The program has no option and no variable for it, so that only code can put another
    place in.
    """
    path = tmp_path / "etc" / "policy.json"
    path.parent.mkdir()
    monkeypatch.setattr(host, "policy_path", lambda: path)
    ours = frozenset({0, os.getuid()})
    monkeypatch.setattr("agent.host._posix._ADMINISTRATORS", ours)
    monkeypatch.setattr("agent.host._posix._ADMIN_GROUPS", frozenset({os.getgid()}))
    return path


def decide(path: Path, **members: Any) -> None:
    """Put a policy in place in one step."""
    work = path.with_suffix(".new")
    work.write_text(json.dumps(members))
    work.chmod(0o644)
    work.replace(path)


# --- the form ------------------------------------------------------------------------

SCHEMA = json.loads((files("agent") / "policy.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema_rs.validator_for(SCHEMA)


@pytest.mark.parametrize(
    ("content", "pointer", "line", "reason"),
    [
        ("", None, 1, "no-json"),
        ('{\n "ask": true,\n}', None, 3, "no-json"),
        ("{\n\n'ask': true}", None, 3, "no-json"),
        ("[]", "", 1, "no-object"),
        ("null", "", 1, "no-object"),
        ('{\n "aks": true\n}', "/aks", 2, "unknown-member"),
        ('{"a/b~": 1}', "/a~1b~0", 1, "unknown-member"),
        ('{\n "ask": "no"\n}', "/ask", 2, "no-flag"),
        ('{"pinned": 1}', "/pinned", 1, "no-flag"),
        ('{"pinned": null}', "/pinned", 1, "no-flag"),
        ('{"ask":\n true,\n "ask":\n false}', "/ask", 4, "twice"),
        ('{\n "allow": "https://a.example"\n}', "/allow", 2, "no-list"),
        ('{"allow": {"0": "https://a.example"}}', "/allow", 1, "no-list"),
        (
            '{"ask": true,\n "deny": [\n  "https://a.example",\n  5\n ]}',
            "/deny/1",
            4,
            "no-origin",
        ),
        (
            '{"deny": ["https://a.example", ["x"],\n "https://a.example/path"]}',
            "/deny/1",
            1,
            "no-origin",
        ),
        (
            '{"allow": [], "deny": ["https://a.example",\n\n "https://a.example/"]}',
            "/deny/1",
            3,
            "origin-path",
        ),
        ('{"allow": ["http://a.example"]}', "/allow/0", 1, "origin-http"),
        ('{"allow": ["https://*.example"]}', "/allow/0", 1, "origin-name"),
        ('{"mode": "desk"}', "/mode", 1, "no-mode"),
        ('{"citizenReader": ""}', "/citizenReader", 1, "no-reader"),
        ('{"clerkReader": 1}', "/clerkReader", 1, "no-reader"),
        (
            '{"citizenReader": "a",\n "clerkReader": "a"}',
            "/clerkReader",
            2,
            "one-reader",
        ),
        ('{"citizenScreen": 0}', "/citizenScreen", 1, "no-screen"),
        ('{"citizenScreen": true}', "/citizenScreen", 1, "no-screen"),
        ('{"timestampUrl": "https://x/"}', "/timestampUrl", 1, "no-service"),
        ('{"timestampUrl": 7}', "/timestampUrl", 1, "no-service"),
        ('{"pinned": NaN}', None, 0, "no-json"),
        ("[" * 100_000, None, 0, "no-json"),
    ],
)
def test_a_policy_that_is_wrong_says_where(
    content: str, pointer: str | None, line: int, reason: str
) -> None:
    """With a JSON pointer and a line, and a reason in each language."""
    with pytest.raises(BadPolicy) as wrong:
        policy.parse(content.encode())
    found = wrong.value
    assert (found.pointer, found.line) == (pointer, line)
    assert found.reason == f"reason-{reason}"
    assert all(text(found.reason, lang) for lang in LANGUAGES)


def test_bytes_that_are_no_text_are_found() -> None:
    """Latin-1, on the third line."""
    with pytest.raises(BadPolicy) as wrong:
        policy.parse(b'{\n\n"x": "\xe9"}')
    assert wrong.value.line == 3


def test_the_schema_is_one_and_describes_every_member() -> None:
    """As code and as schema, a member is the same thing with the same default."""
    jsonschema_rs.meta.validate(SCHEMA)
    members = SCHEMA["properties"]
    assert set(members) == {*policy._FLAGS, *policy._LISTS, *policy._OTHERS}
    for name, field in policy._FLAGS.items():
        assert members[name]["default"] is getattr(Policy(), field)


_VALUES = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(),
    st.sampled_from(["counter", "", " ", "Reader 0", "HDMI-1", "x" * 257]),
    st.lists(
        st.sampled_from(
            ["https://a.example", "http://localhost:1", "http://a.example", "x", 1, ""]
        ),
        max_size=3,
    ),
)


@given(
    st.dictionaries(
        st.sampled_from([*policy._FLAGS, *policy._LISTS, *policy._OTHERS, "other"]),
        _VALUES,
        max_size=4,
    )
)
def test_code_and_schema_agree(content: dict[str, Any]) -> None:
    """What one refuses of these the other refuses too."""
    # Beyond a schema: that the two readers are different ones.
    assume("citizenReader" not in content or "clerkReader" not in content)
    try:
        policy.parse(json.dumps(content).encode())
        accepted = True
    except BadPolicy:
        accepted = False
    assert VALID.is_valid(content) is accepted


# --- what it decides -----------------------------------------------------------------


async def _seen(agent: Agent, origin: str = PORTAL) -> tuple[str, int, str]:
    """Return what status says to a site, and how its identity request ends."""
    headers = {"Origin": origin}
    status = await agent.call("GET", "/v1/status", headers=headers)
    body = {"include": ["identity"]}
    answer = await agent.call("POST", "/v1/identity", body, headers=headers)
    return status.body["origin"], answer.status, answer.body.get("code", "")


DENIED = ("denied", 403, "policy-denied")
ASKED = ("ask", 200, "")
ALLOWED = ("allowed", 200, "")


async def test_a_denied_site_is_refused_everything(administrator: Path) -> None:
    """Before the card is looked at and the person asked, whoever allowed it."""
    decide(administrator, deny=[PORTAL], allow=[PORTAL])
    named = Settings(allowed_origins=frozenset({PORTAL}))
    async with running("", settings=named) as agent:
        assert await _seen(agent) == DENIED  # and not `no-card`
        for method, path, body in (
            ("GET", "/v1/readers", None),
            ("POST", "/v1/events", {}),
            ("POST", "/v1/authenticate", {"challengeNonce": NONCE}),
        ):
            answer = await agent.call(method, path, body)
            assert (answer.status, answer.body["code"]) == (403, "policy-denied")
        assert (await _seen(agent, OTHER))[0] == "ask"
        assert agent.person.questions == []


async def test_body_goes_before_policy(administrator: Path) -> None:
    """The order of the API: gate, body, policy."""
    decide(administrator, deny=[PORTAL])
    async with running("adult") as agent:
        answer = await agent.call("POST", "/v1/identity", {"include": []})
        assert answer.body["code"] == "invalid-request"


async def test_an_allowed_site_is_as_one_that_the_person_allowed(
    administrator: Path,
) -> None:
    """Nothing is asked for a virtual card; others are asked about."""
    decide(administrator, allow=["https://Portal.example:443"])
    async with running("adult") as agent:
        assert await _seen(agent) == ALLOWED
        assert agent.person.questions == []
        assert await _seen(agent, OTHER) == ASKED
        assert len(agent.person.questions) == 1


async def test_pinned_sites_alone_count(administrator: Path, tmp_path: Path) -> None:
    """No grant of the person's, no --allow-origin, no "always", no question."""
    OriginStore(tmp_path).add(lambda _: (_fresh(OTHER),))
    settings = Settings(data_dir=tmp_path, allowed_origins=frozenset({PORTAL}))
    async with running("adult", settings=settings, person=FakeWindows()) as agent:
        assert await _seen(agent, OTHER) == await _seen(agent) == ALLOWED
        decide(administrator, allow=["https://third.example"], pinned=True)
        assert await _seen(agent, OTHER) == await _seen(agent) == DENIED
        assert await _seen(agent, "https://third.example") == ALLOWED
        decide(administrator, allow=[PORTAL], pinned=True)
        answer = await agent.login()  # shown no more as one of --allow-origin
        assert answer.status == 200
        assert agent.person.questions[-1].marks == ()


async def test_pinned_sites_get_no_always(administrator: Path, tmp_path: Path) -> None:
    """What the person answered before does not count, nor does it now."""
    person = FakeWindows()
    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings, person=person) as agent:
        assert (await agent.identity("address")).status == 200
        assert (await agent.identity("address")).status == 200
        assert len(person.questions) == len(person.notices) == 1
        decide(administrator, ask=True, pinned=True, deny=[])
        assert (await agent.identity("address")).body["code"] == "policy-denied"


async def test_where_asking_is_forbidden_only_allowed_sites_ask(
    administrator: Path, tmp_path: Path
) -> None:
    """The person's own grants count, a new site does not reach the person."""
    decide(administrator, ask=False)
    settings = Settings(data_dir=tmp_path)
    async with running("adult", settings=settings) as agent:
        assert await _seen(agent) == DENIED
        OriginStore(tmp_path).add(lambda _: (_fresh(),))
        assert await _seen(agent) == ALLOWED
        assert agent.person.questions == []


async def test_a_policy_counts_as_soon_as_it_changes(
    administrator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart; the page that listens is sent away."""
    monkeypatch.setattr(sockets, "_LOOK_SECONDS", 0.01)
    async with running("adult") as agent:
        assert await _seen(agent) == ASKED
        async with agent.socket(await ticket(agent)) as socket:
            decide(administrator, deny=[PORTAL])
            assert await closing(socket) == (1008, "consent-ended")
        assert await _seen(agent) == DENIED
        administrator.unlink()
        assert (await _seen(agent))[1] == 200


async def test_options_that_the_policy_forbids_end_in_a_running_agent(
    administrator: Path,
) -> None:
    """--allow-origin, http pages of --developer, counter mode."""
    named = Settings(allowed_origins=frozenset({PORTAL}), developer=True)
    page = "http://localhost:3000"
    async with running("adult", settings=named) as agent:
        assert (await _seen(agent))[0] == "allowed"
        assert (await _seen(agent, page))[1] == 200
        decide(administrator, allowOrigin=False, developer=False)
        assert (await agent.call("GET", "/v1/readers")).status == 200  # once
        agent.readers.remove()
        assert (await agent.call("GET", "/v1/status")).body["origin"] == "ask"
        answer = await agent.call("GET", "/v1/status", headers={"Origin": page})
        assert answer.body["code"] == "origin-refused"
    async with running("adult", settings=Settings(counter=True)) as agent:
        assert (await _seen(agent))[1] == 200
        decide(administrator, counterMode=False)
        assert await _seen(agent) == DENIED


# --- who may write it ----------------------------------------------------------------

BROKEN = ["garbage", "writable", "group", "folder", "link", "linked folder", "pipe"]


def _spoil(path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(path, ask=True)
    match how:
        case "garbage":
            path.write_text('{"deny": [')
        case "writable":
            path.chmod(0o646)
        case "group":
            path.chmod(0o664)
            monkeypatch.setattr("agent.host._posix._ADMIN_GROUPS", frozenset())
        case "folder":
            path.parent.chmod(0o777)
        case "link":
            path.rename(path.with_name("there"))
            path.symlink_to("there")
        case "linked folder":
            path.parent.rename(path.parent.with_name("there"))
            path.parent.symlink_to("there")
        case _:
            path.unlink()
            os.mkfifo(path, 0o600)


@posix
@pytest.mark.parametrize("how", BROKEN)
async def test_a_policy_that_cannot_be_trusted_refuses_everything(
    administrator: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed, not open: whatever was allowed before."""
    named = Settings(allowed_origins=frozenset({PORTAL}))
    async with running("adult", settings=named) as agent:
        assert await _seen(agent) == ALLOWED
        _spoil(administrator, how, monkeypatch)
        assert await _seen(agent) == await _seen(agent, OTHER) == DENIED
        assert agent.person.questions == []
    assert PolicyFile().fault() is not None


@posix
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("whose", ["file", "folder"])
async def test_a_policy_of_somebody_else_refuses_everything(
    administrator: Path, whose: str
) -> None:
    """Its owner could change it at any time."""
    decide(administrator, ask=True)
    os.chown(administrator if whose == "file" else administrator.parent, 65534, 0)
    async with running("adult") as agent:
        assert await _seen(agent) == DENIED


@posix
def test_no_policy_is_no_policy(administrator: Path) -> None:
    """Neither file nor folder: everything is as the person has it."""
    assert PolicyFile().now() == Policy()
    administrator.parent.chmod(0o777)  # a sandbox's folders are often nobody's
    assert PolicyFile().now() == Policy()
    administrator.parent.rmdir()
    assert PolicyFile().now() == Policy()


def test_nothing_but_code_names_another_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the environment moves the policy, which would defeat it."""
    before = host.policy_path()
    for name in ("HOME", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "ProgramData", "PATH"):
        monkeypatch.setenv(name, str(Path.home() / "elsewhere"))
    assert host.policy_path() == before
    assert before.is_absolute()


@pytest.mark.parametrize(
    ("sddl", "safe"),
    [
        ("O:BAD:PAI(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;BU)", True),
        ("O:SYD:(A;ID;FA;;;SY)(A;ID;FRFX;;;WD)", True),
        ("O:BAD:(A;OICIIO;GA;;;CO)(A;;FA;;;BA)", True),
        ("O:BAD:(D;;FA;;;WD)(A;;FA;;;BA)", True),
        ("O:BAD:P", True),
        ("O:BUD:(A;;FA;;;BA)", False),
        ("O:S-1-5-21-1-2-3-1001D:(A;;FA;;;BA)", False),
        ("O:BAD:(A;;FA;;;BU)", False),
        ("O:BAD:(A;;FW;;;WD)", False),
        ("O:BAD:(A;OICI;0x1301bf;;;AU)", False),
        ("O:BAD:(A;CI;0x2;;;BU)", False),
        ("O:BAD:(A;;0x40;;;S-1-5-21-1-2-3-1001)", False),
        ("O:BAD:(A;;SDWD;;;BU)", False),
        ("O:BAD:(A;;;;;BU)", False),
        ("O:BAD:(XA;;FR;;;WD;(x))", False),
        ("O:BAD:NO_ACCESS_CONTROL", False),
        ("O:BA", False),
        ("D:(A;;FA;;;BA)", False),
        ("", False),
    ],
)
def test_windows_access_lists(sddl: str, safe: bool) -> None:
    """Owner and each entry; what is not understood counts as open to others."""
    assert _sddl.administrators_alone_write(sddl) is safe


# --- the commands --------------------------------------------------------------------

#: The real program, but for the place of the policy and who counts as administrator.
_LAUNCH = """
import os, sys
from pathlib import Path
from agent import cli, host
from agent.host import _posix
host.policy_path = lambda: Path({path!r})
_posix._ADMINISTRATORS = frozenset({{0, os.getuid()}})
_posix._ADMIN_GROUPS = frozenset({{os.getgid()}})
sys.exit(cli.main(sys.argv[1:]))
"""


class Administered(Program):
    """The program on a computer that has a policy."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.launcher = ("-c", _LAUNCH.format(path=str(path)))
        super().__init__(*arguments, "--lang", "en")


@posix
@pytest.mark.parametrize(
    ("option", "member"),
    [
        (("--developer",), "developer"),
        (("--allow-origin", PORTAL), "allowOrigin"),
        (("--mode", "counter"), "counterMode"),
    ],
)
def test_run_refuses_what_the_policy_forbids(
    administrator: Path, tmp_path: Path, option: tuple[str, ...], member: str
) -> None:
    """Exit code 1, with the option in the sentence."""
    decide(administrator, **{member: False})
    data = tmp_path / "data"
    program = Administered(
        administrator, "run", "--card", "virtual", *option, "--data-dir", str(data)
    )
    output, errors = program.process.communicate(timeout=30)
    assert (program.process.returncode, output) == (1, b"")
    assert f"does not allow {option[0]}".encode() in errors


@posix
def test_run_and_list_say_where_the_policy_is_wrong(
    administrator: Path, tmp_path: Path
) -> None:
    """With pointer and line; the agent runs and refuses everybody."""
    administrator.write_text('{\n "deny": [\n  "https://a.example/x"\n ]\n}')
    where = b"policy.json cannot be used: nothing may stand behind the name, line 3 ("
    data = ("--data-dir", str(tmp_path / "data"))
    listing = Administered(administrator, "origins", "list", *data)
    output, errors = listing.process.communicate(timeout=30)
    assert listing.process.returncode == 1
    assert where + b"/deny/0)" in errors
    assert b"No site is allowed" in output
    agent = Administered(administrator, "run", "--card", "virtual", *data)
    agent.port()
    agent.process.terminate()
    output, errors = agent.process.communicate(timeout=30)
    assert where in errors


@posix
def test_origins_list_shows_what_the_policy_says(
    administrator: Path, tmp_path: Path
) -> None:
    """Allowed, refused, pinned; and `allow` says when it makes nothing of a grant."""
    decide(administrator, allow=[PORTAL, OTHER], deny=[OTHER], pinned=True)
    data = ("--data-dir", str(tmp_path / "data"))
    listing = Administered(administrator, "origins", "list", *data)
    output, errors = listing.process.communicate(timeout=30)
    assert (listing.process.returncode, errors) == (0, b"")
    assert f"{PORTAL}: allowed by the administrator.".encode() in output
    assert f"{OTHER}: refused by the administrator.".encode() in output
    assert b"no other sites" in output
    third = "https://third.example"
    allowing = Administered(administrator, "origins", "allow", third, *data)
    output, errors = allowing.process.communicate(timeout=30)
    assert f"{third}: refused by the administrator.".encode() in errors
