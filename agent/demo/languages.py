"""The portal's languages: which one a visitor gets, and the page in it.

Reads the catalogues in `texts/`, one a language; knows neither HTTP nor a session.
"""

from __future__ import annotations

import functools
import html
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LANGUAGES = ("nl", "fr", "de", "en")

_HERE = Path(__file__).parent


@functools.cache
def catalogue(lang: str) -> dict[str, Any]:
    """Return the tables of one language as they are in its file."""
    text = (_HERE / "texts" / f"{lang}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def choose(asked: str | None, accept: str) -> str:
    """Return the language of the address, else the browser's first of ours, else en.

    `accept` is Accept-Language, which browsers send with the best first.
    """
    if asked in LANGUAGES:
        return asked
    tags = (item.partition(";")[0].strip().lower() for item in accept.split(","))
    names = (tag.partition("-")[0] for tag in tags)
    return next((name for name in names if name in LANGUAGES), "en")


def page(lang: str, values: Mapping[str, str], *, asks: str, pin: str) -> str:
    """Return the page in a language, with these values in it.

    `asks` says where the agent asks, `terminal` or `window`; `pin` is the test card's.
    """
    said = _resolved(catalogue(lang), pin)
    shown = said["shared"] | said["page"] | values | {"lang": lang}
    shown |= {f"is-{one}": "true" if one == lang else "false" for one in LANGUAGES}
    shown |= {f"asks-{key}": text for key, text in said["asks"][asks].items()}
    script = {"asks": said["asks"][asks], "errors": said["errors"], **said["script"]}
    shown["texts"] = json.dumps(script, ensure_ascii=False)
    text = (_HERE / "static" / "index.html").read_text(encoding="utf-8")
    return re.sub(r"{{([a-z-]+)}}", lambda found: html.escape(shown[found[1]]), text)


def _resolved(said: dict[str, Any], pin: str) -> dict[str, Any]:
    """Put the names of [shared] and the PIN in; what the page fills in stays."""
    names: dict[str, str] = {"pin": pin}

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [fill(item) for item in value]
        return re.sub(r"{([a-z]+)}", lambda m: names.get(m[1], m[0]), value)

    for key, text in said["shared"].items():  # each may name those above it
        names[key] = fill(text)
    return {"shared": names, **fill({k: v for k, v in said.items() if k != "shared"})}
