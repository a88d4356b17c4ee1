"""APDUs and status words (ISO 7816-4 names); pure, no I/O.

Commands are built as the card expects them under T=0: a case 4 command carries no Le,
the answer is fetched with GET RESPONSE (applet manuals 1.7 and 1.8, chapter 6).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cardio.errors import MalformedData


@enum.unique
class INS(enum.IntEnum):
    """Instruction bytes of the Belpic applets."""

    VERIFY = 0x20
    MSE = 0x22
    CHANGE_REFERENCE_DATA = 0x24
    PSO = 0x2A
    RESET_RETRY_COUNTER = 0x2C
    INTERNAL_AUTHENTICATE = 0x88
    SELECT = 0xA4
    READ_BINARY = 0xB0
    READ_RECORD = 0xB2
    GET_RESPONSE = 0xC0
    GET_CARD_DATA = 0xE4
    LOG_OFF = 0xE6


#: Instructions whose data field holds a PIN.
PIN_INSTRUCTIONS = frozenset(
    {INS.VERIFY, INS.CHANGE_REFERENCE_DATA, INS.RESET_RETRY_COUNTER}
)


@enum.unique
class SW(enum.IntEnum):
    """Status words of the manuals; families (61xx, 63Cx, 6Cxx) have functions below."""

    OK = 0x9000
    FILE_DEACTIVATED = 0x6283
    NO_DIAGNOSTIC = 0x6400
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    CLASS_NOT_SUPPORTED = 0x6E00
    NOT_A_RECORD_FILE = 0x6981
    SECURITY_STATUS = 0x6982
    PIN_BLOCKED = 0x6983
    CONDITIONS_OF_USE = 0x6985
    NO_CURRENT_EF = 0x6986
    WRONG_CHANNEL = 0x6999
    WRONG_DATA = 0x6A80
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    WRONG_P1P2 = 0x6A86
    LC_INCONSISTENT = 0x6A87
    REFERENCE_NOT_FOUND = 0x6A88
    WRONG_OFFSET = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00


#: Tries of a cardholder PIN that was never wrong (applet manuals 2.8).
MAX_TRIES = 3


def tries_left(sw: int) -> int | None:
    """Return x of 63Cx, 0 for 6983 (blocked), None for any other status word.

    More tries than a cardholder PIN ever has are no answer to believe.
    """
    if sw & 0xFFF0 == 0x63C0 and sw & 0x0F <= MAX_TRIES:
        return sw & 0x0F
    return 0 if sw == SW.PIN_BLOCKED else None


@dataclass(frozen=True)
class Response:
    """What a card answers: data field and status word (not shown by repr)."""

    data: bytes
    sw: int

    def __repr__(self) -> str:
        return f"Response({len(self.data)} bytes, {self.sw:04X})"

    @classmethod
    def from_bytes(cls, raw: bytes) -> Response:
        """Split a raw answer; MalformedData when it has no status word."""
        if not 2 <= len(raw) <= 258:
            raise MalformedData(f"an answer of {len(raw)} bytes")
        sw = int.from_bytes(raw[-2:], "big")
        if raw[-2] >> 4 not in (6, 9):
            raise MalformedData(f"{sw:04X} is no status word")
        return cls(raw[:-2], sw)

    def __bytes__(self) -> bytes:
        return self.data + self.sw.to_bytes(2, "big")


def select_path(*fids: int) -> bytes:
    """SELECT FILE by path from the MF, without 3F00; no FCI is returned (P2=0C)."""
    path = b"".join(fid.to_bytes(2, "big") for fid in fids)
    return bytes([0x00, INS.SELECT, 0x08, 0x0C, len(path)]) + path


def select_aid(aid: bytes) -> bytes:
    """SELECT FILE by application identifier (P1=04, P2=0C)."""
    return bytes([0x00, INS.SELECT, 0x04, 0x0C, len(aid)]) + aid


def read_binary(offset: int, length: int) -> bytes:
    """READ BINARY of 1 to 256 bytes at an offset up to 7FFF."""
    if not (0 <= offset <= 0x7FFF and 1 <= length <= 256):
        raise ValueError("READ BINARY takes offset 0..7FFF and length 1..256")
    p1, p2 = offset.to_bytes(2, "big")
    return bytes([0x00, INS.READ_BINARY, p1, p2, length & 0xFF])


def get_card_data(*, extended: bool = False) -> bytes:
    """GET CARD DATA: 28 bytes, or with P2=01 (applet 1.8) 31 bytes with the tries."""
    return bytes([0x80, INS.GET_CARD_DATA, 0x00, extended, 0x1F if extended else 0x1C])


def get_response(length: int) -> bytes:
    """GET RESPONSE of xx bytes, where 61xx announced them (00 stands for 256)."""
    return bytes([0x00, INS.GET_RESPONSE, 0x00, 0x00, length & 0xFF])


def verify(pin_block: bytearray) -> bytearray:
    """VERIFY of the cardholder PIN (reference 01); the caller wipes the result."""
    if len(pin_block) != 8:
        raise ValueError("a PIN block has 8 bytes")
    apdu = bytearray(13)
    apdu[:5] = (0x00, INS.VERIFY, 0x00, 0x01, 0x08)
    apdu[5:] = pin_block
    return apdu


def change_reference_data(old: bytearray, new: bytearray) -> bytearray:
    """CHANGE REFERENCE DATA of the cardholder PIN; the caller wipes the result."""
    if len(old) != 8 or len(new) != 8:
        raise ValueError("a PIN block has 8 bytes")
    apdu = bytearray(21)
    apdu[:5] = (0x00, INS.CHANGE_REFERENCE_DATA, 0x00, 0x01, 0x10)
    apdu[5:13] = old
    apdu[13:] = new
    return apdu


def verify_status() -> bytes:
    """VERIFY without data: asks for the tries left, costs none (1.7 and 1.8 only)."""
    return bytes([0x00, INS.VERIFY, 0x00, 0x01, 0x00])


def mse_set(algorithm: int, key: int) -> bytes:
    """MSE:SET of algorithm and private key for a digital signature (table of 6.x)."""
    head = (0x00, INS.MSE, 0x41, 0xB6, 0x05)
    return bytes([*head, 0x04, 0x80, algorithm, 0x84, key])


def pso_cds(to_be_signed: bytes) -> bytes:
    """PSO:COMPUTE DIGITAL SIGNATURE; case 4, so without Le under T=0."""
    return bytes([0x00, INS.PSO, 0x9E, 0x9A, len(to_be_signed)]) + to_be_signed


def log_off() -> bytes:
    """LOG OFF: drops every PIN right on the card."""
    return bytes([0x80, INS.LOG_OFF, 0x00, 0x00])
