"""The chip's private keys and what they may be used for; touches the card's counters.

Source: applet manuals, tables of keys, MSE:SET, INTERNAL AUTHENTICATE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from cardio.apdu import SW
from cardio.files import Key
from cardio.virtual.applets import Applet
from cardio.virtual.command import Command, Refused
from cardio.virtual.counters import Counters
from cardio.virtual.signing import CHIP_ALGORITHMS, Algorithm, PrivateKey, WrongLength

#: After so many calls INTERNAL AUTHENTICATE waits for a good VERIFY (manual 1.8, 5.2).
MAX_AUTHENTICATIONS = 5000

_SIGNATURE_KEYS = (Key.AUTHENTICATION, Key.NON_REPUDIATION)
#: The public key of the CA role, no key for signatures.
_CA_ROLE = 0x87


@dataclass(frozen=True)
class Environment:
    """The security environment: a key and the algorithm it will sign with."""

    algorithm: Algorithm
    key: PrivateKey
    once: bool
    """One VERIFY opens the key for the session; else each signature needs its own."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature; 6700 when the algorithm takes another length."""
        try:
            return self.algorithm(self.key, data)
        except WrongLength:
            raise Refused(SW.WRONG_LENGTH) from None


class KeyRing:
    """Keys 81 (basic), 82 (authentication) and 83 (non-repudiation)."""

    def __init__(
        self,
        applet: Applet,
        keys: Mapping[Key, PrivateKey],
        counters: Counters,
        *,
        active: bool,
    ) -> None:
        """Keys that are not `active` answer 6985 to whatever would use them."""
        self._algorithms = applet.algorithms
        self._keys = keys
        self._counters = counters
        self._active = active

    def environment(self, template: bytes) -> Environment:
        """Take MSE:SET's data, `04 80 algorithm 84 key`.

        Key 81 is refused as the manuals have it, though one client library sends it.
        """
        length, algorithm_tag, reference, key_tag, number = template
        algorithm = self._algorithms.get(reference)
        if (length, algorithm_tag, key_tag) != (0x04, 0x80, 0x84) or algorithm is None:
            raise Refused(SW.WRONG_DATA)
        if number == _CA_ROLE:
            raise Refused(SW.WRONG_DATA)
        for key in _SIGNATURE_KEYS:
            if key == number and key in self._keys:
                self._check_active()
                return Environment(
                    algorithm, self._keys[key], once=key == Key.AUTHENTICATION
                )
        raise Refused(SW.REFERENCE_NOT_FOUND)

    def _check_active(self) -> None:
        if not self._active:
            raise Refused(SW.CONDITIONS_OF_USE)

    def authenticate_chip(self, command: Command) -> bytes:
        """Sign INTERNAL AUTHENTICATE's challenge, `94 length digest`, as it stands."""
        key = self._basic_key(command.p2)
        reference, length = CHIP_ALGORITHMS[key.key_size]
        if command.p1 != reference:
            raise Refused(SW.WRONG_OFFSET)
        challenge = command.body(2 + length)
        if challenge[:2] != bytes([0x94, length]):
            raise Refused(SW.WRONG_DATA)
        self._check_active()
        if self._counters.authentications >= MAX_AUTHENTICATIONS:
            raise Refused(SW.CONDITIONS_OF_USE)
        self._counters.authentications += 1
        self._counters.save()
        return self._algorithms[reference](key, challenge[2:])

    def _basic_key(self, number: int) -> ec.EllipticCurvePrivateKey:
        if number in _SIGNATURE_KEYS:  # forbidden to them
            raise Refused(SW.SECURITY_STATUS)
        key = self._keys.get(Key.BASIC)
        if number != Key.BASIC or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Refused(SW.REFERENCE_NOT_FOUND)
        return key
