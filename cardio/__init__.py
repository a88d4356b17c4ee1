"""The Belgian identity card, real and virtual; knows no HTTP and no UI.

This module touches nothing; readers are touched by `cardio.pcsc`, PKCS#11 modules by
`cardio.pkcs11` and `cardio.cryptoki`.
"""

from cardio.beid.card import BeidCard
from cardio.beid.identity import Address, Identity, parse_address, parse_identity
from cardio.beid.source import BeidCards
from cardio.card import Card, CardData, CardSource, Expected, PinEntry, PinStatus
from cardio.channel import Channel
from cardio.errors import CardError
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderSource, ReaderState, ReaderWatch

__all__ = [
    "EF",
    "Address",
    "BeidCard",
    "BeidCards",
    "Card",
    "CardData",
    "CardError",
    "CardSource",
    "Channel",
    "Expected",
    "Identity",
    "Key",
    "Pin",
    "PinEntry",
    "PinStatus",
    "ReaderSource",
    "ReaderState",
    "ReaderWatch",
    "parse_address",
    "parse_identity",
]
