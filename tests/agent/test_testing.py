"""`agent.testing`: what a portal's own tests get, and that nobody else gets it."""

from __future__ import annotations

import base64
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent import testing
from agent.testing import AgentUnderTest, run_agent
from agent.ui import Consent, Login, Review
from cardio.virtual.faults import Fault
from cardio.virtual.profile import ProfileError, load_profile, write_profile
from tests.agent.calls import Call, ask, ask_identity, ask_login
from tests.agent.pdf.documents import document

ROOT = Path(__file__).parents[2]


def _identity(agent: AgentUnderTest) -> Call:
    with ask_identity(agent.port, agent.ca_file) as call:
        pass
    return call


def _login(agent: AgentUnderTest) -> Call:
    with ask_login(agent.port, agent.ca_file) as call:
        pass
    return call


def _refused(call: Call) -> tuple[int, str]:
    return call.status, call.body["code"]


def test_the_person_agrees_and_types_the_pin_by_default(
    eid_agent: AgentUnderTest,
) -> None:
    """A portal's test with nothing to say reaches data and login."""
    assert _identity(eid_agent).body["identity"]["surname"] == "Voorbeeld"
    assert _login(eid_agent).body["format"] == "web-eid:1.0"
    consent, login = eid_agent.person.questions
    assert isinstance(consent, Consent)
    assert isinstance(login, Login)
    assert consent.virtual
    assert login.tries_left == 3
    assert [told.code for told in eid_agent.person.outcomes] == ["given", "given"]


def test_the_person_does_what_a_test_says_in_that_order(
    eid_agent: AgentUnderTest,
) -> None:
    """Yes, no, closed; then yes again."""
    eid_agent.person.consents()
    eid_agent.person.refuses()
    eid_agent.person.closes()
    assert _identity(eid_agent).status == 200
    assert _refused(_identity(eid_agent)) == (403, "user-denied")
    assert _refused(_identity(eid_agent)) == (409, "user-cancelled")
    assert _identity(eid_agent).status == 200


def test_pins_are_typed_one_after_the_other(eid_agent: AgentUnderTest) -> None:
    """A wrong one costs the virtual card a try, the right one gives it back."""
    eid_agent.person.types("9999", "8888")
    wrong = _login(eid_agent)
    assert _refused(wrong) == (422, "pin-incorrect")
    assert wrong.body["triesLeft"] == 2
    assert _login(eid_agent).body["triesLeft"] == 1
    assert _login(eid_agent).status == 200  # the question about the last try, and 1234
    with pytest.raises(ValueError, match="PIN"):
        eid_agent.person.types("12 4")


def test_a_card_is_pulled_at_a_question(eid_agent: AgentUnderTest) -> None:
    """In the middle of a login and of a reading; then another person's is put in."""
    for call in (_login, _identity):
        eid_agent.person.pulls_card()
        assert _refused(call(eid_agent)) == (424, "card-removed")
        assert _refused(call(eid_agent)) == (424, "no-card")
        eid_agent.insert_card("adult-1.7")
    assert _login(eid_agent).body["algorithm"] == "RS256"
    eid_agent.remove_card()
    assert _refused(_login(eid_agent)) == (424, "no-card")
    eid_agent.insert_card(fault=Fault("removed", 9))
    assert _refused(_identity(eid_agent)) == (424, "card-removed")


def test_documents_are_struck_out_of_a_list(eid_agent: AgentUnderTest) -> None:
    """One of two, then both by a no: a PIN for each that is signed."""
    pdf = base64.b64encode(document()).decode()
    body = {"documents": [{"name": name, "pdf": pdf} for name in ("1.pdf", "2.pdf")]}

    def sign() -> Call:
        with ask(eid_agent.port, eid_agent.ca_file, "/v1/sign-pdf", body) as call:
            pass
        return call

    eid_agent.person.strikes_out(0)
    outcomes = [each["outcome"] for each in sign().body["documents"]]
    assert outcomes == ["struck-out", "signed"]
    review, login = eid_agent.person.questions
    assert isinstance(review, Review)
    assert isinstance(login, Login)
    eid_agent.person.refuses()
    assert _refused(sign()) == (409, "user-cancelled")


def test_a_question_may_stay_open_until_the_page_leaves(
    eid_agent: AgentUnderTest,
) -> None:
    """The test sees it, goes away as a closed tab does, and the next call is served."""
    eid_agent.person.thinks()
    with ask_login(eid_agent.port, eid_agent.ca_file) as call:
        assert isinstance(eid_agent.person.asked(), Login)
        call.leave()
    assert call.status == 0
    with ask_identity(eid_agent.port, eid_agent.ca_file) as call:
        eid_agent.person.asked(2)
    assert call.status == 200


def test_the_card_may_come_from_a_folder_and_the_port_from_the_test(
    tmp_path: Path,
) -> None:
    """Two agents at once, each with its card."""
    write_profile(load_profile("foreigner"), tmp_path)
    with run_agent(tmp_path, port=0) as one, run_agent("expired", port=0) as two:
        assert one.url == f"https://localhost:{one.port}" != two.url
        assert _identity(one).body["identity"]["surname"] == "Testouri Beispiel"
        assert _refused(_login(two)) == (424, "certificate-expired")


def test_only_a_virtual_card_in_the_process_is_ever_used() -> None:
    """No parameter takes another one, and no library for readers is loaded."""
    assert list(inspect.signature(run_agent).parameters) == ["card", "port", "lang"]
    with pytest.raises(ProfileError), run_agent("pcsc", port=0):
        pass
    code = (
        "import sys; from agent.testing import run_agent\n"
        "with run_agent(port=0): pass\n"
        "real = {'smartcard', 'pkcs11', 'cardio.pcsc', 'cardio.pkcs11'}\n"
        "print(*real.intersection(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_nothing_starts_it_but_a_test_that_names_it() -> None:
    """No entry point of pytest, no command, no module that imports it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "entry-points" not in project["project"]
    assert project["project"]["scripts"] == {"eid-agent": "agent.cli:main"}
    for package in ("agent", "cardio", "installer"):
        for path in (ROOT / package).rglob("*.py"):
            if path != Path(testing.__file__):
                assert "agent.testing" not in path.read_text(encoding="utf-8"), path


def test_what_citizens_install_leaves_it_out() -> None:
    """The frozen program has neither the scripted person nor the client's mock."""
    spec = (ROOT / "installer" / "frozen" / "eid-agent.spec").read_text("utf-8")
    assert 'FOR_TESTS = ["agent.testing"]' in spec
    assert "filter=lambda name: name not in FOR_TESTS" in spec
    assert "excludes=UNUSED + FOR_TESTS" in spec
    mocks = {f"web/{path.name}" for path in (ROOT / "agent" / "web").glob("mock*")}
    assert mocks == set(re.findall(r'"(web/mock[^"]*)"', spec))
    assert 'collect_data_files("agent", excludes=MOCK)' in spec


def test_the_guide_names_what_there_is(eid_agent: AgentUnderTest) -> None:
    """Every call in docs/testing.md exists, and every call of a person is there."""
    guide = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`person\.(\w+)", guide))
    script = {name for name in vars(type(eid_agent.person)) if name[0] != "_"}
    moves = {name for name in script if not inspect.iscoroutinefunction(
        getattr(eid_agent.person, name))}  # fmt: skip
    assert moves - {"notice", "ended"} | {"questions", "outcomes"} == named
    for name in re.findall(r"`eid_agent\.(\w+)", guide):
        assert hasattr(eid_agent, name)
