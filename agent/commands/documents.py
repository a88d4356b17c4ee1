"""What the commands for PDF documents share; touches files."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.commands import Failure, Usage
from agent.documents import available
from agent.texts import shown_date


def need_pdf() -> None:
    """Want the libraries that read and sign documents; Failure."""
    if not available():
        raise Failure("cli-no-pdf")


def read_document(path: Path) -> bytes:
    """Return a file's bytes, no more than tell that it is too large; Usage."""
    from agent.pdf.document import MAX_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Usage("cli-document-unreadable", path=path, reason=error) from None


def shown_moment(iso: str, lang: str) -> str:
    """Return a moment in the usual form, in universal time."""
    moment = datetime.datetime.fromisoformat(iso).astimezone(datetime.UTC)
    return f"{shown_date(f'{moment:%Y-%m-%d}', lang)} {moment:%H:%M} UTC"


@contextmanager
def explained_document() -> Iterator[None]:
    """Let what is wrong with a document in the block become one sentence: Failure."""
    from agent.pdf.document import DocumentRefused
    from agent.pdf.process import DocumentFailed
    from agent.pdf.services import RevocationUnavailable, Revoked
    from agent.pdf.timestamps import TimestampUnavailable

    try:
        yield
    except DocumentRefused as refused:
        raise Failure(f"document-{refused.reason}") from None
    except (TimestampUnavailable, RevocationUnavailable, Revoked) as failure:
        raise Failure(failure.sentence) from None
    except DocumentFailed:
        raise Failure("cli-document-failed") from None
