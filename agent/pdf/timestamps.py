"""Time stamps as the agent asks for them: what goes out, and what may come back; pure.

The child that reads the document says only what is to be stamped. Whether the service's
signature holds is for `validation` to say. Source: RFC 3161, 2.4.
"""

from __future__ import annotations

import secrets

from asn1crypto import cms, tsp, x509


class TimestampUnavailable(Exception):
    """There is no time stamp to be had."""

    code = "timestamp-unavailable"
    sentence = "timestamp-unavailable"


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


def certificates(token: bytes) -> tuple[bytes, ...]:
    """Return the certificates in a token, the service's own first.

    TimestampUnavailable where the service's own is not among them.
    """
    try:
        content = cms.ContentInfo.load(token)["content"]
        (signer,) = content["signer_infos"]
        named = signer["sid"].chosen
        found = [choice.chosen for choice in content["certificates"]]
        own = next(each for each in found if _is_named(each, named))
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise TimestampUnavailable("without the service's certificate") from error
    rest = (each.dump() for each in found if each is not own)
    return own.dump(), *rest


def _is_named(certificate: x509.Certificate, named: object) -> bool:
    if isinstance(named, cms.IssuerAndSerialNumber):
        serial = certificate.serial_number == named["serial_number"].native
        return bool(serial and certificate.issuer == named["issuer"])
    return bool(certificate.key_identifier == named.native)  # type: ignore[attr-defined]
