"""Signatures over a hash: certificate, PIN, signature; touches cards in threads.

Nobody here sees what is signed; the questions say so (SAFETY 20).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent import reading
from agent.attempt import Attempt
from agent.consent import Grants
from agent.errors import MODULE_LACKS, Problem, as_problem
from agent.limits import Limits
from agent.operations import FindProgram, Operation, Operations
from agent.pinsigning import PinSigning, ToSign
from agent.policy import Policy
from agent.protocol import CardRequest, SignRequest
from agent.reading import SignatureReady
from agent.token import base64_text
from agent.ui import Consent, Permission, Signing, Values
from agent.validity import expires_soon, holder, is_qualified, want_valid
from cardio.beid.algorithms import algorithm, algorithms, login_algorithm
from cardio.card import Card
from cardio.errors import LoginFirst, UnsupportedCard
from cardio.files import Key
from cardio.signature import Padding, SignatureAlgorithm

#: What leaves with a certificate, by the name that questions and journal have for it.
_CERTIFICATE = ("certificate",)


@dataclass(frozen=True)
class Signer:
    """A card that can sign, as it said before its person was asked."""

    ready: SignatureReady
    expires: str | None
    qualified: bool

    def to_sign(
        self, algorithm: SignatureAlgorithm, digest: bytes, signing: Signing
    ) -> ToSign:
        """Return what its key for signatures shall sign."""
        told, entry = self.ready.status.tries_left, self.ready.entry
        key = Key.NON_REPUDIATION
        return ToSign(key, algorithm, digest, entry, told, self.expires, signing)


async def signer(operation: Operation) -> Signer:
    """Read what a signature needs before the PIN; Problem where the card cannot sign.

    That is told before anything is asked, so that nobody types for nothing.
    """
    chosen = operation.card_data
    as_problem(lambda: login_algorithm(chosen.applet))  # its keys are still in use

    def read(card: Card) -> SignatureReady:
        try:
            return reading.prepare_signature(card, chosen)
        except LoginFirst:
            raise Problem("unsupported-card", sentence=MODULE_LACKS) from None

    try:
        ready = await operation.read(read)
    except Problem as problem:
        if problem.code == "no-certificate":
            problem.sentence = "no-signing-certificate"
        raise
    want_valid(ready.certificate)
    if ready.status.blocked:
        raise Problem("pin-blocked")
    expires, qualified = (
        expires_soon(ready.certificate),
        is_qualified(ready.certificate),
    )
    return Signer(ready, expires, qualified)


class Signatures:
    """POST /v1/signing-certificate and POST /v1/sign."""

    def __init__(
        self,
        operations: Operations,
        signing: PinSigning,
        grants: Grants,
        limits: Limits,
        policy: Callable[[], Policy],
        *,
        virtual: bool,
    ) -> None:
        """`policy` says what the administrator decided now.

        `virtual`: all readers of this run hold test cards.
        """
        self._operations = operations
        self._signing = signing
        self._grants = grants
        self._limits = limits
        self._policy = policy
        self._virtual = virtual

    async def certificate(
        self,
        origin: str,
        request: CardRequest,
        lang: str,
        find_program: FindProgram,
    ) -> dict[str, object]:
        """Ask consent and return the certificate for signing, as Web eID does."""
        call = "signing-certificate"
        attempt = Attempt(origin, call, _CERTIFICATE, lang, request.reader)
        async with self._operations.open(attempt, find_program) as operation:
            ready = (await signer(operation)).ready
            if self._virtual and self._grants.unasked(origin, "sign"):
                self._limits.spared(origin)
            else:
                await self._consent(operation, ready.certificate)
                self._limits.agreed(origin)
            self._operations.allow_once(operation)
            offered = algorithms(operation.card_data.applet)
            return {
                "certificate": base64_text(ready.certificate),
                "supportedSignatureAlgorithms": [each.to_json() for each in offered],
            }

    async def _consent(self, operation: Operation, certificate: bytes) -> None:
        """Ask whether name and number may leave, and show them where that goes."""
        asked = operation.attempt
        about = (operation.lang, operation.virtual, operation.marks)
        question = Consent(
            operation.origin, asked.data, None, *about, program=operation.program
        )
        answer = await operation.pose(operation.ask.consent(question))
        if answer not in (Permission.ONCE, Permission.ALWAYS):
            raise Problem("user-denied")
        if not operation.ask.patient:
            return
        shown, program = holder(certificate), operation.program
        values = Values(
            operation.origin, asked.data, shown, None, None, *about, program
        )
        if not await operation.pose(operation.ask.values(values)):
            raise Problem("user-denied")

    async def sign(
        self,
        origin: str,
        request: SignRequest,
        lang: str,
        find_program: FindProgram,
    ) -> dict[str, object]:
        """Ask the PIN and sign a digest with the card of this very certificate."""
        if not self._policy().sign_unseen:
            raise Problem("policy-denied", sentence="sign-unseen-forbidden")
        attempt = Attempt(origin, "sign", ("signature",), lang, request.reader)
        async with self._operations.open(attempt, find_program) as operation:
            card = await signer(operation)
            # The certificate for logins would make this a forged login (SAFETY 20).
            if request.certificate != card.ready.certificate:
                raise Problem("certificate-mismatch")
            used = _algorithm(operation.card_data.applet, request)
            signing = Signing(request.document_name, None, qualified=card.qualified)
            wanted = card.to_sign(used, request.digest, signing)
            signature, _ = await self._signing.sign(operation, wanted, nothing)
            self._operations.allow_once(operation)
            return {
                "signature": base64_text(signature),
                "signatureAlgorithm": used.to_json(),
            }


def _algorithm(applet: str, request: SignRequest) -> SignatureAlgorithm:
    """Return how the card signs such a hash; Problem where it cannot."""
    wanted = request.padding_scheme
    padding = None if wanted is None else Padding(wanted)
    try:
        return algorithm(applet, padding, request.hash_function)
    except UnsupportedCard as error:
        sentence = "algorithm-unsupported"
        raise Problem("unsupported-card", error.reason, sentence=sentence) from None


def nothing(_card: Card) -> None:
    """Read nothing beside the signature."""
