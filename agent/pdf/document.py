"""What there is to say about a document before it is signed; values, pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of the largest document that is taken (contract, section 4).
MAX_BYTES = 32 * 1024 * 1024
#: The digest of each way in which a card signs, by its name in CMS.
DIGESTS = {"sha256_rsa": "sha256", "sha384_ecdsa": "sha384"}
#: What a signature brings along (ETSI EN 319 142-1): no more, a time stamp, and the
#: answers that show that no certificate was revoked.
LEVELS = ("B-B", "B-T", "B-LT")
#: Why a document is refused; each has a sentence `document-REASON` in the catalogues.
REASONS = (
    "no-pdf",
    "too-large",
    "damaged",
    "too-complex",
    "encrypted",
    "javascript",
    "xfa",
    "actions",
    "external",
    "locked",
)

#: What a person is told of a document that can be signed: `notice-NOTICE`.
NOTICES = (
    "layers",
    "fonts",
    "attachments",
    "form-values",
    "signatures",
    "changed-after-signature",
)


#: The corners of a page in which a signature can be seen.
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


@dataclass(frozen=True)
class Visible:
    """Where a signature is seen: page counted from 0, one of CORNERS; and its words."""

    page: int
    corner: str
    lines: tuple[str, ...]


class DocumentRefused(Exception):
    """A document that is not signed; `reason` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Inspection:
    """A document that can be signed.

    `title` as the document calls itself, "" without one; `pages` are widths and heights
    in points (1/72 inch); `size` in bytes; `sha256` in hex; `signatures` are there
    already; `notices` are of NOTICES.
    """

    title: str
    pages: tuple[tuple[float, float], ...]
    size: int
    sha256: str
    signatures: int
    notices: tuple[str, ...]
