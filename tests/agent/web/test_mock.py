"""The mock beside what it stands for: the agent with this very card, and a portal."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from agent.errors import STATUS
from agent.protocol import PARTS
from agent.relyingparty import RootUnknown, TokenValidator, verify_identity
from agent.settings import Settings
from cardio.beid.algorithms import algorithms
from cardio.files import EF, Key
from cardio.virtual.profile import Profile, load_profile, write_profile
from tests.agent.people import NONCE, PORTAL, running

WEB = Path(__file__).parents[3] / "agent" / "web"
NODE = shutil.which("node")
SCRIPT = """
  globalThis.location = { origin: ORIGIN };
  console.warn = () => {};
  const eid = await import(CLIENT);
  const said = await (async () => { BODY })();
  console.log(JSON.stringify(said));
"""
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.filterwarnings("ignore::agent.relyingparty.tokens.AcceptingTestCards"),
]


def mocked(body: str) -> Any:
    """Run the body of a function on a page of the portal; what it returns."""
    assert NODE is not None
    values = {"ORIGIN": PORTAL, "CLIENT": (WEB / "client.js").as_uri()}
    script = SCRIPT.replace("BODY", body)
    for name, value in values.items():
        script = script.replace(name, json.dumps(value))
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def card() -> dict[str, Any]:
    """Return what mock-card.js holds."""
    text = (WEB / "mock-card.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


def root() -> x509.Certificate:
    """Return the root that a portal would have to trust."""
    return x509.load_der_x509_certificate(
        base64.b64decode(card()["raw"]["rootCertificate"])
    )


def test_a_portal_that_chose_to_trust_it_accepts_a_mocks_login() -> None:
    """And nobody else does: the virtual cards' own roots are others."""
    token = mocked(f"return eid.authenticate({json.dumps(NONCE)}, {{ mock: true }})")
    validator = TokenValidator(PORTAL, [root()], allow_test=True, revocation=None)
    person = validator.validate(token, NONCE)
    assert person.test
    assert person.common_name == "Lotte Voorbeeld (Authentication)"
    from cardio.virtual.pki import test_roots

    others = TokenValidator(PORTAL, test_roots(), allow_test=True, revocation=None)
    with pytest.raises(RootUnknown):
        others.validate(token, NONCE)


def test_a_mocks_data_are_proven_like_a_cards() -> None:
    """Identity, address, photo and chip, for this origin and challenge."""
    answer = mocked(
        f"""return eid.readIdentity({{
          include: ["identity", "address", "photo"],
          challenge: {json.dumps(NONCE)},
          mock: true,
        }})"""
    )
    proven = verify_identity(
        answer,
        [root()],
        expected_national_number=card()["identity"]["nationalNumber"],
        origin=PORTAL,
        challenge=NONCE,
        require_chip="always",
        allow_test=True,
    )
    assert proven.data_authentic
    assert proven.chip_present
    assert proven.same_person_as_login


def _profile() -> Profile:
    """Return the mock's card as one for the agent."""
    held = card()
    names = {
        EF.IDENTITY: "identity",
        EF.IDENTITY_SIGNATURE: "identitySignature",
        EF.ADDRESS: "address",
        EF.ADDRESS_SIGNATURE: "addressSignature",
        EF.PHOTO: "photo",
        EF.RRN: "rrnCertificate",
        EF.ROOT: "rootCertificate",
    }
    texts = {ef: held["raw"][name] for ef, name in names.items()}
    texts |= {
        EF.AUTHENTICATION: held["authentication"],
        EF.SIGNATURE: held["signature"],
        EF.CA: held["issuer"],
        EF.BASIC_KEY: held["basicKey"],
    }
    kinds = {
        Key.AUTHENTICATION: "authentication",
        Key.NON_REPUDIATION: "signature",
        Key.BASIC: "basic",
    }
    keys = {
        key: ec.derive_private_key(
            int.from_bytes(base64.b64decode(held["keys"][name])), ec.SECP384R1()
        )
        for key, name in kinds.items()
    }
    adult = load_profile("adult")
    files = {ef: base64.b64decode(text) for ef, text in texts.items()}
    return Profile("mock", "1.8", adult.atr, files, adult.chip_serial, keys)


async def test_a_mock_answers_what_the_agent_answers_with_this_card(
    tmp_path: Path,
) -> None:
    """Byte for byte, whichever parts are asked for; the login but for its signature."""
    write_profile(_profile(), tmp_path / "card")
    asked = [
        list(parts)
        for count in range(1, len(PARTS) + 1)
        for parts in itertools.combinations(PARTS, count)
    ]
    said = mocked(
        f"""
        const read = [];
        for (const include of {json.dumps(asked)})
          read.push(await eid.readIdentity({{ include, mock: true }}));
        const token = await eid.authenticate({json.dumps(NONCE)}, {{ mock: true }});
        return {{ read, token }};
        """
    )
    settings = Settings(allowed_origins=frozenset({PORTAL}))
    async with running(str(tmp_path / "card"), settings=settings) as agent:
        for parts, mock in zip(asked, said["read"], strict=True):
            assert mock.pop("mock") is True
            answer = await agent.identity(*parts)
            assert json.dumps(mock) == json.dumps(answer.body)
        token = (await agent.login()).body
    assert said["token"].keys() == {*token, "mock"}
    for name in token.keys() - {"signature", "appVersion"}:
        assert said["token"][name] == token[name]
    assert len(said["token"]["signature"]) == len(token["signature"])


def test_a_mock_signs_with_what_the_card_signs_with() -> None:
    """The same algorithms in the same order."""
    said = mocked("return eid.getSigningCertificate({ mock: true })")
    offered = [each.to_json() for each in algorithms("1.8")]
    assert said["supportedSignatureAlgorithms"] == offered


def test_a_mocks_refusals_have_the_agents_statuses() -> None:
    """Table against table; what is not in the mock's is 424."""
    text = (WEB / "mock.js").read_text(encoding="utf-8")
    table = text.split("const STATUS = {")[1].split("};")[0]
    listed = {
        code: int(status) for code, status in re.findall(r'"([a-z-]+)": (\d+)', table)
    }
    assert {code: listed.get(code, 424) for code in STATUS} == STATUS
    assert listed.keys() <= STATUS.keys()


def test_the_mocks_card_is_of_nobody_and_will_do_for_years() -> None:
    """TEST in its authorities' names, the national number of no birth's order."""
    held = card()
    holder = x509.load_der_x509_certificate(base64.b64decode(held["authentication"]))
    assert "TEST" in holder.issuer.rfc4514_string()
    assert "TEST" in root().subject.rfc4514_string()
    assert held["identity"]["nationalNumber"][6:9] in {"997", "998"}
    assert holder.not_valid_after_utc.year >= 2033
