"""Is there a newer release? Judges a signed release file; pure.

The file is a DSSE envelope (v1.0.2, JSON) that one of two pinned keys signed (Ed25519):
where one is lost, the other still speaks. Its content is JSON: format, version, when it
was issued and when it expires. It names no address: nothing is ever downloaded or run.

The two keys are development keys. Their private halves were thrown away, so nobody can
sign for them; the first release brings keys of those who publish it.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: Public keys of Ed25519 (RFC 8032), 32 bytes in hex.
KEYS = (
    "dbeda0aae3d96e95fdf74038ed1de33233b4058b4e92be7bdbbdf9475f0e2435",
    "f596802ad0582b59249bac7c0b621a2998bc32b4c2f44c988a3357b9ad929c47",
)
TYPE = "application/vnd.eid-agent.release+json"
FORMAT = "eid-agent-release:1"
#: No release file comes near this.
MAX_BYTES = 16 * 1024
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){1,3}")
_MAX_SIGNATURES = 8
#: By how much the clock of this computer may be behind.
_TOLERANCE = datetime.timedelta(hours=1)


class BadRelease(Exception):
    """A release file that counts for nothing; `reason` is the key of a text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Release:
    """The newest version that there is, and when that was said (UTC)."""

    version: str
    issued: datetime.datetime


def newer(version: str, than: str) -> bool:
    """Tell whether a version comes after another; 1.2 and 1.2.0 are the same."""
    return _numbers(version) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    return tuple(numbers + [0] * (4 - len(numbers)))


def judge(
    data: bytes,
    now: datetime.datetime,
    seen: Release | None,
    keys: Collection[str] = KEYS,
) -> Release:
    """Return what a release file says; BadRelease.

    `seen` is what an earlier one said: versions and dates go upward only.
    """
    release, expires = _content(_opened(data, keys))
    if now > expires:
        raise BadRelease("release-expired")
    if now < release.issued - _TOLERANCE:
        raise BadRelease("release-early")
    if seen is not None and (
        newer(seen.version, release.version) or release.issued < seen.issued
    ):
        raise BadRelease("release-back")
    return release


def signed_bytes(payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _opened(data: bytes, keys: Collection[str]) -> bytes:
    """Return the content of an envelope that one of the keys signed."""
    payload, signatures = _envelope(data)
    message = signed_bytes(payload)
    for key in keys:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        for signature in signatures:
            try:
                public.verify(signature, message)
            except InvalidSignature:
                continue
            return payload
    raise BadRelease("release-signature")


def _envelope(data: bytes) -> tuple[bytes, list[bytes]]:
    if len(data) > MAX_BYTES:
        raise BadRelease("release-form")
    try:
        match json.loads(data):
            case {
                "payloadType": str(kind),
                "payload": str(payload),
                "signatures": list(listed),
            } if kind == TYPE and len(listed) <= _MAX_SIGNATURES:
                signatures = [_decoded(str(each["sig"])) for each in listed]
                return _decoded(payload), signatures
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise BadRelease("release-form")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _content(payload: bytes) -> tuple[Release, datetime.datetime]:
    try:
        match json.loads(payload):
            case {
                "format": str(form),
                "version": str(version),
                "issued": str(issued),
                "expires": str(expires),
            } if form == FORMAT and _VERSION.fullmatch(version):
                return Release(version, _time(issued)), _time(expires)
    except (ValueError, RecursionError):
        pass
    raise BadRelease("release-form")


def _time(text: str) -> datetime.datetime:
    """Return a time of ISO 8601; ValueError, also without a zone."""
    time = datetime.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time.astimezone(datetime.UTC)


def to_json(release: Release) -> dict[str, str]:
    """Return what is kept of a release."""
    return {"version": release.version, "issued": release.issued.isoformat()}


def from_json(value: object) -> Release | None:
    """Return what was kept; None for anything else."""
    try:
        match value:
            case {"version": str(version), "issued": str(issued)} if _VERSION.fullmatch(
                version
            ):
                return Release(version, _time(issued))
    except ValueError:
        pass
    return None
