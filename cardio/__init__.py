"""The Belgian identity card over PC/SC, and a virtual one; knows no HTTP and no UI."""

from cardio.beid.card import BeidCard, CardData, Expected, PinStatus
from cardio.beid.identity import Address, Identity, parse_address, parse_identity
from cardio.channel import Channel
from cardio.errors import CardError
from cardio.files import EF, Key
from cardio.pin import Pin
from cardio.readers import ReaderSource, ReaderState, ReaderWatch

__all__ = [
    "EF",
    "Address",
    "BeidCard",
    "CardData",
    "CardError",
    "Channel",
    "Expected",
    "Identity",
    "Key",
    "Pin",
    "PinStatus",
    "ReaderSource",
    "ReaderState",
    "ReaderWatch",
    "parse_address",
    "parse_identity",
]
