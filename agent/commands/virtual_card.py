"""`eid-agent virtual-card`: a virtual Belgian eID in pcscd's virtual reader.

Touches the reader's socket, signals, and the folder of `--state`.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading

from agent.commands import (
    Failure,
    Usage,
    announce,
    answer,
    virtual_profile,
    vpcd_failure,
    wake_the_service,
)
from agent.commands.reasons import Located, Words
from agent.texts import text
from cardio.virtual.counters import DamagedCounters
from cardio.virtual.faults import FAULTS
from cardio.virtual.maker import CardMaker
from cardio.virtual.personas import CATALOGUE
from cardio.virtual.playable import PlayableCard
from cardio.virtual.profile import Profile
from cardio.virtual.vpcd import VpcdUnavailable, insert_into_vpcd

#: Options that say which card to play and how; a list plays none.
_OF_A_CARD = (
    "persona", "files", "applet", "pin", "state", "strict", "fault", "speed", "panel"
)  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Play the card until SIGTERM or Ctrl-C pulls it out."""
    if options.list:
        if any(vars(options)[name] for name in _OF_A_CARD):
            raise Usage("cli-list-alone")
        return _list(options.lang, as_json=options.json)
    if options.json:
        raise Usage("cli-json-list")
    maker = CardMaker(options.strict, options.speed == "real", options.state)
    profile = _profile(options)
    card = _card(options, maker, profile)
    if options.panel:
        from agent.commands.panel import run

        return run(maker, card, options.vpcd)
    return _play(options, card)


def _play(options: argparse.Namespace, card: PlayableCard) -> int:
    """Play one card, and the one that a fault may swap it for."""
    stop = threading.Event()
    asked: list[int] = []

    def end(number: int, _frame: object) -> None:
        asked.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    host, port = options.vpcd
    powered = threading.Event()

    def on_powered() -> None:
        powered.set()
        announce("card inserted")

    wake_the_service()
    try:
        insert_into_vpcd(card, host, port, on_powered=on_powered, stop=stop)
    except VpcdUnavailable as error:
        if powered.is_set():  # the card was in: its reader went
            raise Failure("cli-vpcd-stopped") from None
        raise vpcd_failure(error) from None
    if not asked:
        announce("card removed")
    return 0


def _profile(options: argparse.Namespace) -> Profile:
    if options.files and not options.files.is_dir():
        raise Usage("cli-no-folder", path=options.files)
    return virtual_profile(
        options.files or options.persona, applet=options.applet, pin=options.pin
    )


def _card(
    options: argparse.Namespace, maker: CardMaker, profile: Profile
) -> PlayableCard:
    try:
        return maker.make(profile, options.fault)
    except OSError as error:
        raise Failure("cli-state", reason=error) from None
    except DamagedCounters as error:
        located = Located(error.path, Words("reason-damaged"))
        raise Failure("cli-state", reason=located) from None


def _list(lang: str, *, as_json: bool) -> int:
    rows = [
        {
            "name": persona.name,
            "applets": list(persona.applets),
            "triesLeft": persona.tries,
            "certificates": persona.certificates,
            "documentType": persona.identity[0x0F],
        }
        for persona in CATALOGUE.values()
    ]
    faults = [{"name": name, "summary": text(f"fault-{name}", lang)} for name in FAULTS]
    if as_json:
        answer(json.dumps({"personas": rows, "faults": faults}, ensure_ascii=False))
        return 0
    width = max(map(len, CATALOGUE))
    for persona in CATALOGUE.values():
        answer(f"{persona.name:{width}} applet {', '.join(persona.applets)}")
    for fault in faults:
        answer("--fault {name:{width}} {summary}".format(**fault, width=width))
    return 0
