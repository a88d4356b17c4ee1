"""From untrusted text to bounded bytes; pure, no I/O.

Everything here answers ValueError (or the exception it was given) for whatever does not
have the form, so that no parser's own exception leaves the library.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping

from agent.relyingparty.errors import RelyingPartyError

#: Scheme, lower-case host (name, IPv4 or IPv6 in brackets), port; nothing behind it.
_ORIGIN = re.compile(
    r"https://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?"
)
#: The number that the National Register gives a person.
NATIONAL_NUMBER = re.compile(r"[0-9]{11}")


def checked_origin(origin: str) -> str:
    """Return an origin as browsers write it, or raise ValueError.

    `https`, host in lower case (IDNA: xn--), the port unless it is 443; no path, not
    even a slash. Anything else would never equal what the browser says.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise ValueError("the origin must be bare and https: https://host[:port]")
    if match[1] is not None and (int(match[1]) == 443 or int(match[1]) > 65535):
        raise ValueError("the origin must leave out the default port")
    return origin


def parse_object(
    source: object,
    limits: range,
    size: type[RelyingPartyError],
    form: type[RelyingPartyError],
) -> Mapping[str, object]:
    """Return the JSON object in `source`, a text or an object that was parsed before.

    Raises `size` when its JSON text has a length outside `limits`, else `form`.
    """
    try:
        text = source if isinstance(source, str) else json.dumps(source)
    except (TypeError, ValueError, RecursionError):
        raise form from None
    if len(text) not in limits:
        raise size
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise form from None
    if not isinstance(value, dict):
        raise form
    return value


def decode_base64(text: object, limit: int) -> bytes:
    """Decode standard base64, padded and canonical, of 1 to `limit` bytes.

    Raises ValueError for everything else: white space, the URL alphabet, missing
    padding, bits that are set behind the end.
    """
    if not isinstance(text, str) or not 0 < len(text) <= (limit + 2) // 3 * 4:
        raise ValueError("no base64 text, or too long")
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("no standard base64") from None
    if len(data) > limit or base64.b64encode(data).decode() != text:
        raise ValueError("not the only form in which these bytes are written")
    return data


def decode_wrapped(text: object, limit: int) -> bytes:
    """Decode base64 that may be broken into lines, as encoders for PEM and MIME do.

    Raises ValueError as decode_base64 does.
    """
    if isinstance(text, str):
        text = text.replace("\r\n", "").replace("\n", "")
    return decode_base64(text, limit)
