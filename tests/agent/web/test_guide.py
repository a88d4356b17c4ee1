"""The guide for portals names what the program really has."""

from __future__ import annotations

import re
from pathlib import Path

from agent.connections import PORTS

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "portal.md").read_text(encoding="utf-8")
WEB = ROOT / "agent" / "web"


def test_the_guides_policy_names_exactly_the_agents_ports() -> None:
    """For requests and for the WebSocket; nothing else is opened by it."""
    (line,) = re.findall(r"^connect-src (.*)$", GUIDE, re.MULTILINE)
    wanted = [
        f"{kind}://localhost:{port}" for kind in ("https", "wss") for port in PORTS
    ]
    assert line.split() == ["'self'", *wanted]


def test_the_client_tries_exactly_the_agents_ports() -> None:
    """In the agent's order."""
    script = (WEB / "client.js").read_text(encoding="utf-8")
    found = re.search(r"length: (\d+) \}, \(_, i\) => (\d+) \+ i", script)
    assert found
    first = int(found[2])
    assert range(first, first + int(found[1])) == PORTS


def test_the_guide_says_what_to_show_in_each_state() -> None:
    """Every state of index.d.ts has its row."""
    types = (WEB / "index.d.ts").read_text(encoding="utf-8")
    states = re.findall(
        r'\| "([a-z-]+)"', types.split("type AgentState")[1].split(";\n\n")[0]
    )
    assert set(re.findall(r"^\| `([a-z-]+)`", GUIDE, re.MULTILINE)) == set(states)


def test_what_the_guide_wants_served_is_shipped() -> None:
    """The package's list of files holds the words and the drawings."""
    package = (WEB / "package.json").read_text(encoding="utf-8")
    for name in ("client.js", "words.js", "*.svg", "index.d.ts"):
        assert f'"{name}"' in package
