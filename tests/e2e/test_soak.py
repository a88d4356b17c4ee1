"""Hundreds of logins in a row, the service killed and the card pulled out in between.

The real program and a real pcscd. Nothing may grow, no try be lost, and each request
gets an answer that the API names.
"""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from agent.errors import STATUS
from cardio.channel import Apdu
from cardio.virtual.counters import Counters
from cardio.virtual.profile import load_profile
from cardio.virtual.vpcd import HAND_SECONDS
from tests.bench.program import Agent
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

pytestmark = [
    pytest.mark.pcscd,
    pytest.mark.sweep,
    pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc shows"),
]

LOGIN = {"challengeNonce": "A" * 44}
#: What may be heard of a card that was pulled out, or a service that was killed.
UPSETS = {
    "busy",
    "card-changed",
    "card-removed",
    "card-unreadable",
    "no-card",
    "no-reader",
    "pcsc-unavailable",
}
#: Logins before the first measurement: what is loaded once is loaded by then.
WARM_UP = 60
#: The agent looks for a service that is away every 5 s.
RECOVERY_SECONDS = 30.0


class Struck(RecordedCard):
    """A card at whose Nth command from now a hand strikes."""

    def __init__(self) -> None:
        self.remembered = Counters()
        super().__init__(load_profile("adult"), counters=self.remembered)
        self._left = 0
        self._hand: Callable[[], None] | None = None
        self._striking: threading.Thread | None = None

    def strike(self, after: int, hand: Callable[[], None]) -> None:
        """Have the hand strike beside a later command."""
        self._left, self._hand = after, hand

    def struck(self) -> bool:
        """Tell whether it did, and wait for its end; it will not strike any more."""
        self._hand = None
        thread, self._striking = self._striking, None
        if thread is not None:
            thread.join(20)
        return thread is not None

    def transmit(self, apdu: Apdu) -> bytes:
        """Answer, and let the hand know."""
        hand = self._hand
        if hand is not None:
            self._left -= 1
            if self._left <= 0:
                self._hand = None
                self._striking = threading.Thread(target=hand, daemon=True)
                self._striking.start()
        answer = super().transmit(apdu)
        self.exchanges.clear()  # so that the test itself does not grow
        return answer


class Soak:
    """The agent, its card, and the page that asks."""

    def __init__(self, service: Pcscd, agent: Agent) -> None:
        self._service = service
        self._agent = agent
        self.card = Struck()
        self._inserted = ExitStack()
        self._pull: Callable[[], None] = lambda: None
        self._connection = agent.connection()

    def insert(self) -> None:
        """Put the card in."""
        self._pull = self._inserted.enter_context(self._service.insert(self.card))

    def close(self) -> None:
        """Take the card out."""
        self._connection.close()
        self._inserted.close()

    def login(self) -> str:
        """Log in once; return "ok" or the problem's code."""
        try:
            status, answer = self._agent.ask(
                self._connection, "/v1/authenticate", LOGIN
            )
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            pytest.fail(f"a request without an answer: {error!r}")
        code: str = answer.get("code", "ok")
        assert status == STATUS.get(code, 200)
        return code

    def pulled_out(self, after: int) -> str:
        """Log in while the card is pulled out at its Nth command, and put it back."""
        self.card.strike(after, lambda: self._pull())
        code = self.login()
        self.card.struck()
        self._inserted.close()
        # The service has to look once in between, or it takes the card for the same
        # one that stayed; nothing tells when it did.
        time.sleep(HAND_SECONDS)
        self.insert()
        return code

    def service_killed(self, after: int) -> str:
        """Log in while the service is killed at the Nth command, and start it again."""
        self.card.strike(after, self._service.kill)
        code = self.login()
        if not self.card.struck():
            self._service.kill()
        self._inserted.close()
        self._service.start()
        self.insert()
        return code

    def recover(self) -> None:
        """Log in again, as a person would who tries again."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (code := self.login()) != "ok":
            assert code in UPSETS
            assert time.monotonic() < deadline, f"still {code}"
            time.sleep(0.05)  # a person's pause; nothing tells a page without consent

    def measure(self) -> dict[str, float]:
        """Threads, handles and memory in MiB of the agent."""
        return {
            "threads": self._agent.threads(),
            "handles": self._agent.handles(),
            "memory": self._agent.memory()["Pss"],
        }


@pytest.mark.timeout(7200)
def test_logins_in_a_row_leave_nothing_behind(
    own_pcscd: Pcscd, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Flat in threads, handles and memory at the end; all tries left."""
    full = request.config.getoption("--full")
    logins, kills = (10_000, 100) if full else (200, 4)
    chance = random.Random(20_26)  # noqa: S311  (a schedule, not a secret)
    killed_at = set(chance.sample(range(5, logins), kills))
    codes: dict[str, int] = {}
    with Agent(own_pcscd.env, tmp_path) as agent:
        soak = Soak(own_pcscd, agent)
        soak.insert()
        try:
            start: dict[str, Any] = {}
            for number in range(logins):
                if number == WARM_UP:
                    start = soak.measure()
                after = chance.randint(1, 12)
                if number in killed_at or number == WARM_UP // 2:
                    code = soak.service_killed(after)
                elif chance.random() < 0.1:
                    code = soak.pulled_out(after)
                else:
                    code = soak.login()
                codes[code] = codes.get(code, 0) + 1
                if code != "ok":
                    assert code in UPSETS
                    soak.recover()
            end = soak.measure()
        finally:
            with suppress(AssertionError):  # the first failure is the one to see
                soak.close()
    assert soak.card.remembered.tries in (None, 3)
    assert codes["ok"] > 0.7 * logins, codes
    assert len(codes) > 1, codes  # some of what befell them was in the middle
    assert end["threads"] <= start["threads"] + 2
    assert end["handles"] <= start["handles"] + 3
    assert end["memory"] <= start["memory"] * 1.15, (start, end)
