"""Logins: certificate, PIN, signature, token; touches cards in threads."""

from __future__ import annotations

from agent import reading, token
from agent.attempt import Attempt
from agent.errors import as_problem
from agent.monitor import Monitor
from agent.operations import FindProgram, Operations
from agent.pinsigning import PinSigning, ToSign
from agent.protocol import AuthenticateRequest
from agent.reading import LoginCertificates
from agent.validity import expires_soon, want_valid
from cardio.beid.algorithms import login_algorithm
from cardio.beid.known import KnownCertificates
from cardio.card import Card
from cardio.files import Key


class Logins:
    """POST /v1/authenticate."""

    def __init__(
        self,
        operations: Operations,
        signing: PinSigning,
        monitor: Monitor,
        known: KnownCertificates,
        version: str,
    ) -> None:
        """`version` is the agent's, for the token."""
        self._operations = operations
        self._signing = signing
        self._monitor = monitor
        self._known = known
        self._version = version

    async def authenticate(
        self,
        origin: str,
        request: AuthenticateRequest,
        lang: str,
        find_program: FindProgram,
    ) -> dict[str, str]:
        """Ask the PIN and return a Web eID token over the page's own origin."""
        call, data = "authenticate", ("certificate",)
        attempt = Attempt(origin, call, data, lang, request.reader)
        async with self._operations.open(
            attempt, find_program, patient=True
        ) as operation:
            chosen, held = operation.card_data, self._monitor.held(operation.stay)
            algorithm = as_problem(lambda: login_algorithm(chosen.applet))
            ready = await operation.read(
                lambda card: reading.prepare_login(card, chosen, held, self._known),
            )
            if ready.certificates is not None:
                self._monitor.hold(operation.stay, ready.certificates)
                want_valid(ready.certificates.holder)
            wanted = ToSign(
                Key.AUTHENTICATION,
                algorithm,
                token.digest(algorithm, origin, request.challenge_nonce),
                ready.entry,
                ready.status.tries_left,
                _expires_soon(ready.certificates),
            )

            def beside(card: Card) -> LoginCertificates:
                held_or_read = ready.certificates
                if held_or_read is None:
                    held_or_read = reading.read_login(card, chosen, self._known)
                return held_or_read

            signature, certificates = await self._signing.sign(
                operation, wanted, beside
            )
            want_valid(certificates.holder)
            self._operations.allow_once(operation)
            return token.build(
                certificates.holder,
                certificates.issuer,
                algorithm,
                signature,
                self._version,
            )


def _expires_soon(certificates: LoginCertificates | None) -> str | None:
    """Return the last day of the holder's certificate, where that is known and near."""
    return None if certificates is None else expires_soon(certificates.holder)
