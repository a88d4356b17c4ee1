"""The catalogues: compiled as they are written, nothing missing, nothing unused."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from agent.texts import LANGUAGES, text
from tests.agent.program import ROOT
from tests.rig.words import FOLDER, catalogue

_SOURCES = [
    path for folder in ("agent", "cardio") for path in (ROOT / folder).rglob("*.py")
]


def _literals_and_patterns() -> tuple[set[str], list[re.Pattern[str]]]:
    """Return the words in our code that can be keys, and the forms of those it builds.

    A built key has a part of three letters and more: `f"label-{name}"`.
    """
    literals: set[str] = set()
    patterns = []
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = [
                    str(part.value) if isinstance(part, ast.Constant) else None
                    for part in node.values
                ]
                fixed = "".join(filter(None, parts))
                if re.fullmatch("[A-Za-z-]{3,}", fixed) and "-" in fixed:
                    built = (".+" if one is None else re.escape(one) for one in parts)
                    patterns.append(re.compile("".join(built)))
    return literals, patterns


def test_each_sentence_is_used() -> None:
    """By its key, or by one that is built."""
    literals, patterns = _literals_and_patterns()
    unused = [
        key
        for key in catalogue("en")
        if key not in literals and not any(each.fullmatch(key) for each in patterns)
    ]
    assert unused == []


def test_each_key_in_a_call_has_its_sentence() -> None:
    """A missing one would fail before a person."""
    known = catalogue("en")
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in {"text", "Failure", "Usage", "NoWindows", "Words"} and (
                isinstance(first, ast.Constant) and isinstance(first.value, str)
            ):
                assert first.value in known, (path, node.lineno, first.value)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_read_is_what_was_written(lang: str) -> None:
    """The compiled catalogue is made from the one beside it."""
    folder = FOLDER / lang / "LC_MESSAGES"
    assert sorted(path.name for path in folder.iterdir()) == [
        "eid-agent.mo",
        "eid-agent.po",
    ]
    for key, said in catalogue(lang).items():
        fields = dict.fromkeys(re.findall(r"{(\w+)}", said), "X")
        assert text(key, lang, **fields) == said.format_map(fields), key


def test_a_key_without_a_sentence_is_an_error() -> None:
    """Not shown to anybody as it is."""
    with pytest.raises(KeyError):
        text("no-such-sentence", "nl")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_is_only_half_translated(lang: str) -> None:
    """No entry is marked fuzzy, obsolete or empty."""
    source = Path(FOLDER / lang / "LC_MESSAGES" / "eid-agent.po").read_text("utf-8")
    assert "#, fuzzy" not in source
    assert "#~" not in source
    assert all(catalogue(lang).values())
