"""The policies for managed browsers say the same, and only what they are for."""

from __future__ import annotations

import json
from pathlib import Path

POLICIES = Path(__file__).parents[2] / "installer" / "policies"


def test_every_template_names_the_same_portal() -> None:
    """JSON for Linux, the registry for Windows: one policy, one example."""
    for name in ("chrome", "edge"):
        policy = json.loads((POLICIES / f"{name}.json").read_bytes())
        assert policy == {"LoopbackNetworkAllowedForUrls": ["https://portal.example"]}
        registry = (POLICIES / f"{name}.reg").read_text(encoding="ascii")
        assert registry.startswith(
            "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL"
        )
        assert "\\LoopbackNetworkAllowedForUrls]\n" in registry
        assert '"1"="https://portal.example"\n' in registry
    policy = json.loads((POLICIES / "firefox.json").read_bytes())
    assert policy["policies"]["LocalNetworkAccess"] == {
        "SkipDomains": ["portal.example"]
    }
