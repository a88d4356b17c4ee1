"""What PC/SC tells and does beside a PKCS#11 module, to the card in the same reader.

Modules do not ask a Belgian card for its tries, so the last one would be used
unnoticed. OpenSC's C_Logout forgets the login in the module and sends the card nothing,
so that every program could go on signing. Both are made good here, in APDUs of our own.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import closing

from cardio import apdu
from cardio.apdu import SW
from cardio.beid.source import BeidCards
from cardio.errors import CardBusy, CardError, CardRemoved, NoCard, NoReader
from cardio.readers import ReaderSource

#: A slot's description is cut after this many bytes (PKCS#11 2.40, CK_SLOT_INFO).
_DESCRIPTION = 64
#: Seconds for which LOG OFF is tried beside a program that keeps the card. The lane of
#: a PKCS#11 module has longer: what began there goes on when nobody waits any more.
LOG_OFF_SECONDS = 120.0
_PAUSE_SECONDS = 0.2


class Beside:
    """Cards by the name of a PKCS#11 slot, which is the name of a PC/SC reader."""

    def __init__(
        self, source: ReaderSource, log_off_seconds: float = LOG_OFF_SECONDS
    ) -> None:
        self._source = source
        self._log_off_seconds = log_off_seconds
        self._cards = BeidCards(source)

    def reader(self, slot: str) -> str | None:
        """Return the reader behind a slot; None when none or several could be.

        Raises ServiceUnavailable.
        """
        names = [state.name for state in self._source.readers()]
        if slot in names:
            return slot
        cut = len(slot.encode()) >= _DESCRIPTION
        longer = [name for name in names if cut and name.startswith(slot)]
        return longer[0] if len(longer) == 1 else None

    def tries(self, slot: str) -> int | None:
        """Return the tries left, as the card tells them for free; None when unknown."""
        with contextlib.suppress(CardError):
            reader = self.reader(slot)
            if reader is None:
                return None
            with closing(self._cards.open(reader)) as card, card.transaction():
                card.recognise()
                return card.pin_status().tries_left if card.signs else None
        return None

    def is_virtual(self, slot: str) -> bool:
        """Tell whether the card says that it is a test card; False when unknown."""
        with contextlib.suppress(CardError):
            reader = self.reader(slot)
            if reader is not None:
                with closing(self._cards.open(reader)) as card, card.transaction():
                    return card.recognise().virtual
        return False

    def log_off(self, reader: str) -> None:
        """Send LOG OFF, and reset the card where it does not answer 9000.

        Again for two minutes while another program keeps the card, then CardBusy. A
        card that is gone has no right left. Raises CardUnreadable, CardReset,
        ServiceUnavailable.
        """
        end = time.monotonic() + self._log_off_seconds
        while True:
            try:
                return self._log_off(reader)
            except CardBusy:
                if time.monotonic() >= end:
                    raise
                time.sleep(_PAUSE_SECONDS)  # some are refused at once

    def _log_off(self, reader: str) -> None:
        with (
            contextlib.suppress(CardRemoved, NoCard, NoReader),
            closing(self._source.connect(reader)) as channel,
            channel.transaction() as transaction,
        ):
            transaction.reset_at_end = True
            answer = channel.transmit(apdu.log_off())
            transaction.reset_at_end = answer.sw != SW.OK
