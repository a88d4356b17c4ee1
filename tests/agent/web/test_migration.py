"""docs/migration.md names what the client, the agent and the server really have."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from agent import relyingparty
from agent.errors import STATUS
from agent.identity import _RAW_NAMES
from cardio.files import EF

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
TYPES = (ROOT / "agent" / "web" / "index.d.ts").read_text(encoding="utf-8")
#: What a page gets today, each with the rows of its table.
SECTIONS = dict(
    re.findall(r"^## From (.*?)\n(.*?)(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
)


def _rows(section: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", SECTIONS[section], re.MULTILINE)
    return [line.split(" | ") for line in lines]


def test_each_way_has_its_section() -> None:
    """The three that issue after issue asks about."""
    assert list(SECTIONS) == ["Web eID", "BeIDConnect", "the Connective package"]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_call_becomes_one_that_exists(section: str) -> None:
    """What the right columns call is exported by the client."""
    exported = set(re.findall(r"^export (?:function|const|class) (\w+)", TYPES, re.M))
    called = {
        name
        for row in _rows(section)
        for cell in row[1:]
        for name in re.findall(r"`(\w+)\(", cell)
    }
    assert called
    assert called <= exported


def test_the_codes_are_the_agents() -> None:
    """Each reason of BeIDConnect becomes a code that can come."""
    rows = _rows("BeIDConnect")
    start = next(at for at, row in enumerate(rows) if row == ["result", "`agentCode`"])
    cells = [row[1] for row in rows[start + 1 :]]
    codes = {code for cell in cells for code in re.findall(r"`([a-z-]+)`", cell)}
    assert codes
    assert codes <= STATUS.keys()


def test_the_files_are_found_under_the_names_of_the_api() -> None:
    """Every member of `raw` that is named exists, and none is left out."""
    named = set(re.findall(r"`raw\.(\w+)`", GUIDE))
    assert named == set(_RAW_NAMES.values())


def test_the_file_numbers_of_a_card_are_its_own() -> None:
    """READ_FILE with a number is a file that a card has."""
    numbers = {
        int(number, 16)
        for row in _rows("the Connective package")
        for number in re.findall(r"\b[45]0[0-9A-F]{2}\b", row[0])
    }
    assert numbers <= {ef.fid for ef in EF}
    assert len(numbers) == 10


def test_what_the_server_calls_exists() -> None:
    """The names of the relying-party library."""
    for name in ("TokenValidator", "verify_identity", "load_cas"):
        assert f"`{name}`" in GUIDE
        assert hasattr(relyingparty, name)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_scripts_can_be_read_and_their_names_imported(tmp_path: Path) -> None:
    """No typing error in what people copy."""
    scripts = re.findall(r"```js\n(.*?)```", GUIDE, re.DOTALL)
    assert len(scripts) == 2
    for number, script in enumerate(scripts):
        file = tmp_path / f"{number}.mjs"
        file.write_text(script, encoding="utf-8")
        subprocess.run(["node", "--check", file], check=True, timeout=30)
    (names,) = re.findall(r"import \{(.*?)\} from \"eid-agent-client\"", GUIDE, re.S)
    for name in re.findall(r"\w+", names):
        assert re.search(rf"^export (function|const) {name}\b", TYPES, re.MULTILINE)


def test_a_signature_is_turned_into_asn1_as_the_guide_says() -> None:
    """Run as printed, on what a card of applet 1.8 answers."""
    (code,) = re.findall(r"```python\n(half.*?)```", GUIDE, re.DOTALL)
    key = ec.generate_private_key(ec.SECP384R1())
    asn1 = key.sign(b"a declaration", ec.ECDSA(hashes.SHA384()))
    r, s = decode_dss_signature(asn1)
    place: dict[str, object] = {
        "signature": r.to_bytes(48) + s.to_bytes(48),
        "encode_dss_signature": encode_dss_signature,
    }
    exec(code, place)  # noqa: S102
    der = place["der"]
    assert isinstance(der, bytes)
    key.public_key().verify(der, b"a declaration", ec.ECDSA(hashes.SHA384()))
