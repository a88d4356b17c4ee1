"""What commands that ask a PIN share; touches readers, cards, terminal and signals.

The questions are put outside any transaction, and end with the card's stay. Then the
card is opened anew, and no signal comes between a PIN and what is said of it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from agent import host
from agent.commands import Failure, say
from agent.errors import Problem
from agent.monitor import Monitor, Stay
from agent.ui import Cancelled, Unavailable
from cardio.card import Card, CardSource
from cardio.errors import CardError

T = TypeVar("T")

Questions = Callable[[], Coroutine[Any, Any, T]]
#: Makes the failure of a command that comes to nothing, from a problem's code.
Ended = Callable[[str], Failure]


async def ask_while_in(
    source: CardSource, stay: Stay, questions: Questions[T], ended: Ended
) -> T:
    """Put questions, which end with the card's stay: nobody types for nothing.

    Failure when the person does not want to, and as soon as the card is gone.
    """
    monitor = Monitor(source, lambda _before, _after: None)
    asking = asyncio.ensure_future(questions())
    leaving = asyncio.ensure_future(monitor.over(stay))
    await asyncio.sleep(0)  # both wait now: what the first look says is heard
    monitor.start()
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        raise ended(await asyncio.to_thread(_why_gone, source, stay))
    except Cancelled:
        raise Failure("user-cancelled") from None
    except Unavailable:
        raise Failure("no-user-interface") from None
    finally:
        leaving.cancel()
        monitor.close()


def _why_gone(source: CardSource, stay: Stay) -> str:
    """Return the code of what ended a stay: the card, another card, or PC/SC."""
    try:
        states = source.readers()
    except CardError as error:
        return Problem.from_card_error(error).code
    filled = any(
        state.name == stay.reader and state.atr is not None for state in states
    )
    return "card-changed" if filled else "card-removed"


def found_again(source: CardSource, reader: str, ended: Ended) -> Card:
    """Open the card that is in the reader now; what goes wrong changed nothing yet."""
    try:
        card = source.open(reader)
    except CardError as error:
        raise ended(Problem.from_card_error(error).code) from None
    try:
        with card.transaction():
            card.recognise()
    except CardError as error:
        card.close()
        raise ended(Problem.from_card_error(error).code) from None
    except BaseException:
        card.close()
        raise
    return card


@contextmanager
def undisturbed(lang: str) -> Iterator[None]:
    """Hold signals of terminal and system back until the person knows what came of it.

    A signal that was held ends the program, so a failure is said here before.
    """
    late: list[int] = []
    before = {
        number: signal.signal(number, lambda caught, _: late.append(caught))
        for number in host.ENDING_SIGNALS
    }
    try:
        yield
    except Failure as failure:
        if late:
            say(failure.sentence(lang))
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in late:
            signal.raise_signal(caught)
