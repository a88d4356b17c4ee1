"""`eid-agent virtual-card`: a virtual Belgian eID in pcscd's virtual reader."""

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
)
from cardio.virtual.card import VirtualCard
from cardio.virtual.counters import Counters, FileCounters
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import Profile
from cardio.virtual.vpcd import VpcdUnavailable, insert_into_vpcd


def main(options: argparse.Namespace) -> int:
    """Play the card until SIGTERM or Ctrl-C pulls it out."""
    if options.list:
        return _list(as_json=options.json)
    card = VirtualCard(
        profile := _profile(options),
        strict=options.strict,
        counters=_counters(options, profile),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    host, port = options.vpcd
    try:
        insert_into_vpcd(
            card, host, port, on_powered=lambda: announce("card inserted"), stop=stop
        )
    except VpcdUnavailable as error:
        raise vpcd_failure(error) from None
    return 0


def _profile(options: argparse.Namespace) -> Profile:
    if options.files and not options.files.is_dir():
        raise Usage("cli-no-folder", path=options.files)
    return virtual_profile(
        options.files or options.persona, applet=options.applet, pin=options.pin
    )


def _counters(options: argparse.Namespace, profile: Profile) -> Counters:
    if options.state is None:
        return Counters()
    try:
        return FileCounters(options.state, profile.chip_serial)
    except (OSError, ValueError) as error:
        raise Failure("cli-state", reason=error) from None


def _list(*, as_json: bool) -> int:
    rows = [
        {
            "name": persona.name,
            "applets": list(persona.applets),
            "triesLeft": persona.tries,
            "certificates": persona.certificates,
        }
        for persona in PERSONAS.values()
    ]
    if as_json:
        answer(json.dumps({"personas": rows}, ensure_ascii=False))
        return 0
    for persona in PERSONAS.values():
        answer(f"{persona.name:12} applet {', '.join(persona.applets)}")
    return 0
