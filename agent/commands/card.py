"""`eid-agent card list|read|pin-status`; touches readers, cards and standard output."""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.commands import Failure, answer, card_source, say, write_new
from agent.errors import Problem
from agent.inspection import Found, look_into_all, on_card, usable
from agent.texts import text
from agent.unblocking import blocked_key
from agent.values import ORDER, said
from agent.words import one_line, quoted
from cardio.beid.identity import parse_address, parse_identity
from cardio.card import Card, CardData, CardSource, PinStatus
from cardio.errors import (
    CardBusy,
    CardError,
    CardMute,
    CardNotActivated,
    CardRemoved,
    FileAbsent,
    ModuleLacks,
    NoCard,
    NoReader,
    SeveralReaders,
    UnsupportedCard,
)
from cardio.files import EF
from cardio.readers import ReaderState

#: Told of each piece that a card gave, in bytes.
Heard = Callable[[int], None]

_SILENCE_SECONDS = 2.0


def main(options: argparse.Namespace) -> int:
    """Run one of the actions; a card's failure becomes one sentence."""
    actions: dict[str, Callable[[argparse.Namespace, CardSource, Heard], int]] = {
        "list": _list,
        "read": _read,
        "pin-status": _pin_status,
    }
    with explained(), patience(options.lang) as heard:
        return actions[options.action](options, card_source(options.card), heard)


@contextmanager
def patience(lang: str) -> Iterator[Heard]:
    """Say once that a card is waited for, when it was silent for 2 s in the block.

    What it yields is to be called with each piece that is read.
    """
    heard, over = threading.Event(), threading.Event()

    def listen() -> None:
        while heard.wait(_SILENCE_SECONDS) and not over.is_set():
            heard.clear()
        if not over.is_set():
            say(text("cli-waiting", lang))

    threading.Thread(target=listen, name="patience", daemon=True).start()
    try:
        yield lambda _size: heard.set()
    finally:
        over.set()
        heard.set()


@contextmanager
def explained() -> Iterator[None]:
    """Let a card's failure in the block become one sentence: Failure."""
    try:
        yield
    except SeveralReaders as error:
        names = ", ".join(f'"{quoted(name)}"' for name in error.names)
        raise Failure("cli-several-readers", names=names) from None
    except ModuleLacks as error:
        raise Failure("cli-module-lacks", module=error.module) from None
    except UnsupportedCard as error:
        if not error.atr:  # a PKCS#11 module does not tell it
            raise Failure(Problem.from_card_error(error).code) from None
        atr = error.atr.hex().upper()
        raise Failure("cli-unsupported-card", atr=atr) from None
    except CardError as error:
        problem = Problem.from_card_error(error)
        raise Failure(problem.code, tries=problem.tries_left) from None


def _list(options: argparse.Namespace, source: CardSource, _heard: Heard) -> int:
    found = look_into_all(source)
    if options.json:
        salt = secrets.token_bytes(16)
        _json({"readers": [reader.to_json(salt) for reader in found]})
        return 0
    if not found:
        answer(text("no-reader", options.lang))
    for reader in found:
        answer(reader_line(reader, options.lang, virtual=source.virtual))
    return 0


def reader_line(reader: Found, lang: str, *, virtual: bool) -> str:
    """Return a reader's name and which kind of card is in it; of whom is not said."""
    name, content = one_line(reader.state.name), _content(reader, lang)
    if reader.card is not None and (virtual or reader.card.virtual):
        content += f" {text('test-card', lang).strip()}"
    return text("labelled", lang, label=name, value=content)


#: What is said of a card that is none of ours, or does not let us know.
_STATES: tuple[tuple[type[CardError], str], ...] = (
    (UnsupportedCard, "card-unknown"),
    (CardBusy, "card-in-use"),
    (CardNotActivated, "card-inactive"),
    (CardMute, "card-mute"),
    (CardRemoved, "card-empty"),
    (NoCard, "card-empty"),
    (CardError, "card-illegible"),
)


def _content(reader: Found, lang: str) -> str:
    if reader.card is not None:
        key = "card-belgian" if reader.active else "card-belgian-inactive"
        return text(key, lang, applet=reader.card.applet)
    if reader.error is None:
        return text("card-empty", lang)
    key = next(key for kind, key in _STATES if isinstance(reader.error, kind))
    return text(key, lang)


def choose(source: CardSource, wanted: str | None) -> ReaderState:
    """Return the reader to use: the one named, or the only one with a Belgian card.

    Raises NoReader, SeveralReaders, and what `usable` does; Failure for a wrong name.
    """
    states = source.readers()
    if wanted is not None:
        return _named(states, wanted)
    if not states:
        raise NoReader
    filled = [state for state in states if state.atr is not None]
    if not filled:
        raise NoCard
    if len(filled) == 1:
        return filled[0]
    found = usable(look_into_all(source))
    if len(found) > 1:
        raise SeveralReaders(tuple(reader.state.name for reader in found))
    return found[0].state


def _named(states: tuple[ReaderState, ...], wanted: str) -> ReaderState:
    exact = [state for state in states if state.name == wanted]
    part = wanted.casefold()
    fitting = exact or [state for state in states if part in state.name.casefold()]
    if not fitting:
        raise Failure("cli-reader-unknown", wanted=f'"{quoted(wanted)}"')
    if len(fitting) > 1:
        raise SeveralReaders(tuple(state.name for state in fitting))
    return fitting[0]


def _read(options: argparse.Namespace, source: CardSource, heard: Heard) -> int:
    if options.photo is not None and options.photo.exists():
        raise Failure("cli-file-exists", path=options.photo)  # before the slow reading
    name = choose(source, options.reader).name
    wants_photo = options.json or options.photo is not None  # nobody sees it otherwise

    def work(card: Card) -> tuple[CardData, bytes | None, bytes | None, bytes | None]:
        data = card.recognise()
        identity, address = _file(card, EF.IDENTITY), _file(card, EF.ADDRESS)
        photo = _file(card, EF.PHOTO) if wants_photo else None
        return data, identity, address, photo

    data, identity, address, photo = on_card(source, name, work, progress=heard)
    result: dict[str, object] = {
        "reader": one_line(name),
        "applet": data.applet,
        "identity": None if identity is None else parse_identity(identity).to_json(),
        "address": None if address is None else parse_address(address).to_json(),
        "photo": None if photo is None else base64.b64encode(photo).decode(),
    }
    if options.photo is not None:
        if photo is None:
            raise Failure("cli-no-photo")
        write_new(options.photo, photo)
    if options.json:
        _json(result)
    else:
        if source.virtual or data.virtual:
            answer(text("card-is-test", options.lang))
        _show(result, options.lang)
        answer(text("card-not-checked", options.lang))
    return 0


def _file(card: Card, ef: EF) -> bytes | None:
    try:
        return card.read(ef)
    except FileAbsent:
        return None


def _show(result: dict[str, object], lang: str) -> None:
    """Print the fields that say something to a person, one a line."""
    labels = {key: text(f"label-{key}", lang) for key in ORDER}
    fields: dict[str, object] = {}
    for part in ("identity", "address"):
        value = result[part]
        fields |= value if isinstance(value, dict) else {}
    width = max(map(len, labels.values()))
    for key, label in labels.items():
        if value := fields.get(key):
            answer(f"{label:{width}}  {said(key, value, lang)}")


def _pin_status(options: argparse.Namespace, source: CardSource, heard: Heard) -> int:
    name = choose(source, options.reader).name

    def work(card: Card) -> tuple[CardData, PinStatus, bool]:
        data, status = card.recognise(), card.pin_status()
        return data, status, options.json or _is_active(card)

    data, status, active = on_card(source, name, work, progress=heard)
    if options.json:
        _json({"triesLeft": status.tries_left, "blocked": status.blocked})
        return 0
    if status.tries_left is None:
        found = text("card-tries-unknown", options.lang)
    elif status.blocked:
        found = text(blocked_key(data.applet), options.lang)
    else:
        found = text("card-tries", options.lang, tries=status.tries_left)
    test = source.virtual or data.virtual
    answer((text("test-card", options.lang) if test else "") + found)
    if not active:
        answer(text("card-not-activated", options.lang))
    return 0


def _is_active(card: Card) -> bool:
    try:
        card.has_certificate(EF.AUTHENTICATION)
    except CardNotActivated:
        return False
    return True


def _json(value: object) -> None:
    answer(json.dumps(value, ensure_ascii=False))
