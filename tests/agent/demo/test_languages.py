"""The portal's four languages: complete, alike, plain; the right one for a visitor."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from agent.demo import languages
from agent.demo.languages import LANGUAGES, catalogue, choose, page
from agent.errors import STATUS

STATIC = Path(languages.__file__).parent / "static"
HTML = (STATIC / "index.html").read_text(encoding="utf-8")
SCRIPTS = "".join(
    (STATIC / name).read_text(encoding="utf-8") for name in ("portal.js", "texts.js")
)
VALUES = {"agent-port": "27410", "test": "yes"}
NODE = shutil.which("node")

#: What a page sees only where the page or the agent itself has a mistake.
_UNEXPLAINED = {
    "certificate-mismatch",
    "document-refused",
    "internal-error",
    "invalid-request",
    "method-not-allowed",
    "not-found",
    "timestamp-unavailable",
    "too-large",
}
#: Codes of the portal's server, and of its page for what `detect` finds.
_OWN = {
    "agent-too-old",
    "agent-unavailable",
    "data-refused",
    "login-refused",
    "other-person",
    "permission-denied",
    "permission-dismissed",
    "portal-unavailable",
    "session-ended",
    "test-refused",
    "unknown-issuer",
}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its place, as `errors.no-card.steps.0`."""
    if isinstance(value, str):
        yield name, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield from _flat(item, f"{name}.{key}".lstrip("."))


def _shown(lang: str, asks: str = "window", pin: str = "1234") -> str:
    return unescape(page(lang, VALUES, asks=asks, pin=pin))


def _texts(lang: str) -> Any:
    """Return what the page gives to its script."""
    found = re.search(r'<template id="texts">(.*)</template>', _shown(lang), re.DOTALL)
    assert found
    return json.loads(found[1])


def _explained(*arguments: object) -> Any:
    assert NODE is not None
    script = f"""
      const {{ explain }} = await import({json.dumps((STATIC / "texts.js").as_uri())});
      console.log(JSON.stringify(explain(...{json.dumps(arguments)})));
    """
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def test_four_languages_have_the_same_texts_and_placeholders() -> None:
    """No text is missing in one, and none has a name that another lacks."""
    reference = dict(_flat(catalogue("en")))
    for lang in LANGUAGES:
        texts = dict(_flat(catalogue(lang)))
        assert texts.keys() == reference.keys(), lang
        for key, text in texts.items():
            assert text.strip(), (lang, key)
            wanted = sorted(re.findall(r"{\w+}", reference[key]))
            assert sorted(re.findall(r"{\w+}", text)) == wanted, (lang, key)


def test_every_text_is_used_and_every_text_that_is_used_is_there() -> None:
    """By the page, its script, or another text."""
    said = catalogue("en")
    used = set(re.findall(r"{{([a-z-]+)}}", HTML))
    computed = {"lang", "texts", *VALUES} | {f"is-{lang}" for lang in LANGUAGES}
    asked = {name.removeprefix("asks-") for name in used if name.startswith("asks-")}
    named = set(re.findall(r"{([a-z]+)}", str(said)))
    assert used - computed - said["shared"].keys() - {f"asks-{n}" for n in asked} == (
        said["page"].keys()
    )
    assert said["shared"].keys() <= used | named
    assert named <= said["shared"].keys() | {"pin", "count"}
    steps = set(re.findall(r'\bwait\("(\w+)"\)', SCRIPTS))
    for place in said["asks"].values():
        assert place.keys() == asked | (steps - {"confirm"})
    waited = {f"{step}-{part}" for step in steps for part in ("title", "text")}
    held = {f"held-{word}" for word in re.findall(r'\bheld = "(\w+)"', SCRIPTS)}
    held |= {f"held-{word}" for word in re.findall(r'loggedIn \? "(\w+)"', SCRIPTS)}
    direct = re.findall(r'\btexts(?:\.(\w+)|\["([\w-]+)"\])', SCRIPTS)
    others = {a or b for a, b in direct} - {"errors", "asks", "js"}
    assert said["script"].keys() == waited | held | others


def test_the_page_has_no_words_of_its_own() -> None:
    """But for names, which are the same everywhere."""
    bare = re.sub(r"{{[a-z-]+}}|<!--.*?-->", "", HTML)
    words = set(re.findall(r"[^\W\d]{2,}", re.sub(r"<[^>]*>", " ", bare)))
    names = {"Woonhaven", "DEMO", "TEST", "Nederlands", "Français", "Deutsch"}
    assert words == names | {"English"}
    assert set(re.findall(r'(?:alt|aria-label|title)="([^"{]*)"', bare)) <= {""}


def test_every_code_is_explained_and_every_explanation_has_its_code() -> None:
    """Those of the agent, of the portal's server, and of the browser's question."""
    same = dict(re.findall(r'"([a-z-]+)": "([a-z-]+)",', SCRIPTS.split("SAME = {")[1]))
    errors = catalogue("en")["errors"].keys()
    assert STATUS.keys() - errors - same.keys() == _UNEXPLAINED - {"internal-error"}
    assert errors - STATUS.keys() == _OWN


@needs_node
@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_error_says_what_is_left_and_what_is_kept(lang: str) -> None:
    """In whole sentences of the language, whatever the code."""
    texts = _texts(lang)
    two = _explained(texts, "pin-incorrect", {"triesLeft": 2})["text"]
    assert " 2 " in two
    assert "{" not in two
    last = _explained(texts, "pin-incorrect", {"triesLeft": 1})["text"]
    assert last.endswith(texts["tries-last"])
    for held in ("nothing", "login", "data"):
        said = _explained(texts, "user-denied", {"held": held})
        assert said["title"] == texts["errors"]["user-cancelled"]["title"]
        assert said["text"].endswith(f" {texts[f'held-{held}']}")
    assert (
        _explained(texts, "never-heard-of")["title"]
        == (texts["errors"]["internal-error"]["title"])
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_thought_is_short(lang: str) -> None:
    """At most 20 words, as guides to easy language have it."""
    for key, said in _flat(catalogue(lang)):
        for part in re.split(r"[.;:?!]\s", said):
            assert len(part.split()) <= 20, (lang, key, part)


def test_french_marks_stay_with_their_word() -> None:
    """A line never begins with one: the space before it does not break."""
    for key, said in _flat(catalogue("fr")):
        assert not re.search(r"(?<!\N{NO-BREAK SPACE})[?!:;»]|«(?!\xa0)", said), key


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("asks", ["terminal", "window"])
def test_the_page_says_where_the_agent_asks(lang: str, asks: str) -> None:
    """Where windows ask, nothing on it speaks of a terminal, errors included."""
    assert ("terminal" in _shown(lang, asks).lower()) is (asks == "terminal")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_is_whole(lang: str) -> None:
    """Nothing is left to fill in but a count; what is quoted is a real button."""
    shown = _shown(lang)
    assert f'<html lang="{lang}"' in shown
    assert re.findall(r"{[\w-]*}", re.sub(r'{"\w.*', "", shown)) == []
    assert set(re.findall(r"{[a-z]+}", shown)) == {"{count}"}
    assert f'lang="{lang}" aria-current="true"' in shown
    assert shown.count('aria-current="true"') == 1
    labels = {text.strip() for text in re.findall(r"<button[^>]*>([^<]*)<", shown)}
    quoted = re.findall(r"[“„]([^”“]*)[”“]|«\xa0([^»]*)\xa0»", shown)
    assert {a or b for a, b in quoted} <= labels


def test_the_test_cards_pin_is_on_the_page() -> None:
    """For whom has no terminal to read it from."""
    assert "4711" in _shown("nl", pin="4711")


@pytest.mark.parametrize(
    ("asked", "accept", "lang"),
    [
        (None, "de-BE,de;q=0.9,fr;q=0.8", "de"),
        (None, "pt-PT,pt;q=0.9,fr-BE;q=0.8,en;q=0.7", "fr"),
        (None, "NL", "nl"),
        (None, "pt", "en"),
        (None, "", "en"),
        ("fr", "de", "fr"),
        ("FR", "de", "de"),
        ("../de", "nl", "nl"),
    ],
)
def test_the_language_of_a_visitor(asked: str | None, accept: str, lang: str) -> None:
    """The one chosen; else the browser's first of ours; else English."""
    assert choose(asked, accept) == lang
