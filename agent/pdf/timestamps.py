"""Time stamps as the agent asks for them: what goes out, and what may come back; pure.

The child that reads the document says only what is to be stamped. Whether the service's
signature holds is for `validation` to say. Source: RFC 3161, 2.4.
"""

from __future__ import annotations

import secrets

from asn1crypto import tsp


class TimestampUnavailable(Exception):
    """There is no time stamp to be had."""


#: Bytes of the largest answer that is taken.
MAX_ANSWER = 64 * 1024


def request(digest: bytes, algorithm: str) -> tuple[bytes, int]:
    """Return a request in DER and its nonce."""
    nonce = secrets.randbits(63)
    imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest}
    fields = {
        "version": 1,
        "message_imprint": tsp.MessageImprint(imprint),
        "nonce": nonce,
        "cert_req": True,
    }
    return tsp.TimeStampReq(fields).dump(), nonce


def token(answer: bytes, digest: bytes, nonce: int) -> bytes:
    """Return the token of an answer, as DER; TimestampUnavailable if it is none."""
    try:
        response = tsp.TimeStampResp.load(answer, strict=True)
        granted = response["status"]["status"].native
        if granted not in ("granted", "granted_with_mods"):
            raise TimestampUnavailable(granted)
        found = response["time_stamp_token"]
        info = found["content"]["encap_content_info"]["content"].parsed
        same = (
            info["nonce"].native == nonce
            and info["message_imprint"]["hashed_message"].native == digest
        )
        if not same:
            raise TimestampUnavailable("of something else")
        return bytes(found.dump())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TimestampUnavailable("no answer of RFC 3161") from error
