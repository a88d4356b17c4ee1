"""How foreign text is shown."""

from __future__ import annotations

from agent.gate import Gate
from agent.words import origin_line, site_name


def test_a_long_name_of_a_site_is_never_cut_at_its_end() -> None:
    """Whose it is stands there; a browser takes names of 253 characters."""
    name = ".".join(["login.bank.example", *["x" * 60] * 3, "y" * 30, "evil.test:8443"])
    assert Gate(27410).check_origin([f"https://{name}"])
    for shown in (site_name(f"https://{name}"), origin_line(f"https://{name}")):
        assert len(shown) == 200
        assert shown.startswith("…")
        assert shown.endswith(".evil.test:8443")
    assert site_name("https://portal.example") == "portal.example"
