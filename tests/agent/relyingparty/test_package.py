"""The package from outside: its names, and what importing it costs."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from agent import relyingparty as rp
from agent.relyingparty import errors
from tests.agent.hostile import HOSTILE


def test_every_public_name_exists_and_every_refusal_is_public() -> None:
    """`__all__` is sorted, complete and true."""
    assert list(rp.__all__) == sorted(rp.__all__)
    for name in rp.__all__:
        assert getattr(rp, name)
    types = {n for n, v in vars(errors).items() if isinstance(v, type)}
    assert types <= set(rp.__all__)


@pytest.mark.parametrize(
    "refusal",
    [v for v in vars(errors).values() if isinstance(v, type)],
    ids=lambda refusal: refusal.__name__,
)
def test_every_refusal_has_a_code_and_a_sentence(
    refusal: type[rp.RelyingPartyError],
) -> None:
    """Leaves have a code of their own; the message says what is wrong."""
    types = [v for v in vars(errors).values() if isinstance(v, type)]
    leaves = [v for v in types if issubclass(v, rp.RelyingPartyError)]
    if refusal.__subclasses__():
        return
    codes = [leaf.code for leaf in leaves if not leaf.__subclasses__()]
    assert codes.count(refusal.code) == 1
    assert refusal.code != rp.RelyingPartyError.code
    assert str(refusal()) == refusal.sentence
    assert str(refusal("detail")) == f"{refusal.sentence}: detail"


def test_every_refusal_stands_in_a_test() -> None:
    """A reason that nobody has seen may not work."""
    tests = "".join(
        file.read_text("utf-8")
        for file in Path(__file__).parent.glob("test_*.py")
        if file.name != "test_package.py"
    )
    leaves = [
        refusal.__name__
        for refusal in vars(errors).values()
        if isinstance(refusal, type) and not refusal.__subclasses__()
    ]
    assert [name for name in leaves if not re.search(rf"\b{name}\b", tests)] == []


def test_importing_it_pulls_in_no_reader_window_or_web_framework() -> None:
    """A portal's server has none of them (a fresh interpreter shows it)."""
    code = "import sys, agent.relyingparty; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    unwanted = {
        "aiohttp",
        "smartcard",
        "pkcs11",
        "PySide6",
        "pystray",
        "requests",
        "redis",
    }
    assert not loaded & unwanted
    assert not loaded & {
        "cardio.pcsc",
        "cardio.virtual",
        "agent.server",
        "agent.service",
    }


@pytest.mark.parametrize("text", [text for text, _ in HOSTILE])
def test_a_field_is_shown_on_one_line_with_nothing_hidden(text: str) -> None:
    """What a portal passes through `displayed` cannot act on what stands beside it."""
    shown = rp.displayed(text * 3)
    assert len(shown) <= 200
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    assert not [c for c in shown if unicodedata.category(c) in hidden]
    assert unicodedata.is_normalized("NFC", shown)
