"""`eid-agent validate FILE.pdf`: who signed, when, and does it hold? Check by check.

Touches the file, and the network unless `--offline`: the Federal services are asked
whether a certificate was revoked, where the document brings no answer along and its
chain leads to a trusted root. What is judged, and by which names, stands in
`agent.pdf.validation`.

JSON: `valid` is true when every check of every signature that is needed is true;
`signature` counts the signatures from 1. Exit code 1 when any check is false.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.checks import Result, is_valid
from agent.commands import Failure, answer
from agent.commands.checks import detail, load_cas, shown, verdict
from agent.commands.documents import (
    explained_document,
    need_pdf,
    read_document,
    shown_moment,
)
from agent.texts import text
from agent.words import one_line

if TYPE_CHECKING:
    from agent.pdf.judged import Judged
    from agent.relyingparty.fetching import Fetcher


#: Whom to ask whether a certificate was revoked; None: the Federal services.
FETCHER: Fetcher | None = None


def main(options: argparse.Namespace) -> int:
    """Judge every signature of a document."""
    need_pdf()
    cas = [ca for path in options.ca for ca in load_cas(path)]
    pdf = read_document(options.file)
    with explained_document():
        judged = asyncio.run(_judged(pdf, cas))
    if not judged:
        raise Failure("cli-document-unsigned")
    judged = [_asked(one, cas, offline=options.offline) for one in judged]
    (_show_json if options.json else _show)(judged, options.lang)
    checks = [check for one in judged for check in one.checks]
    return 1 if any(check.ok is False for check in checks) else 0


async def _judged(pdf: bytes, cas: list[x509.Certificate]) -> list[Judged]:
    from agent.pdf.process import validated

    ders = [ca.public_bytes(Encoding.DER) for ca in cas]
    return list(await validated(pdf, ders, datetime.datetime.now(datetime.UTC)))


# --- revocation ----------------------------------------------------------------------


def _asked(one: Judged, cas: list[x509.Certificate], *, offline: bool) -> Judged:
    """Ask for revocation where the document brings no answer."""
    checks = []
    for check in one.checks:
        if check.name != "revocation" or check.ok is not None:
            checks.append(check)
        elif offline:
            checks.append(replace(check, needed=False))
        else:
            checks.append(replace(check, result=_online(one, cas)))
    return replace(one, checks=tuple(checks))


def _online(one: Judged, cas: list[x509.Certificate]) -> Result:
    from agent.relyingparty.errors import (
        CertificateRevoked,
        IssuerUnknown,
        RelyingPartyError,
    )
    from agent.relyingparty.revocation import OnlineRevocation

    try:
        chain = _chain(one, cas)
        now = datetime.datetime.now(datetime.UTC)
        OnlineRevocation(FETCHER).check(chain, now)
    except CertificateRevoked:
        # Before or after it was signed, where a time stamp says when that was.
        return Result(None if one.stamped else False, "revoked-by-now")
    except IssuerUnknown:
        return Result(None, "revocation-open")
    except RelyingPartyError:
        return Result(None, "revocation-unanswered")
    return Result(True, "not-revoked-now")


def _chain(one: Judged, cas: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return the chain that the child told, if it leads to an anchor; IssuerUnknown.

    Nothing is fetched for any other (SAFETY 11), whatever the child says.
    """
    from agent.relyingparty import certificates, roots
    from agent.relyingparty.errors import IssuerUnknown

    chain = [certificates.load(each) for each in one.chain]
    signed = all(
        certificates.is_signed_by(below, above)
        for below, above in itertools.pairwise(chain)
    )
    if not signed or not (roots.is_belgian(chain[-1]) or chain[-1] in cas):
        raise IssuerUnknown
    return chain


# --- what is shown -------------------------------------------------------------------


def _show_json(judged: list[Judged], lang: str) -> None:
    checks = [check for one in judged for check in one.checks]
    result = {
        "valid": is_valid(checks),
        "signatures": [
            {
                "signer": one_line(one.signer),
                "claimed": one.claimed,
                "time": one.stamped,
            }
            for one in judged
        ],
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "detail": detail(check, lang),
                "signature": number,
            }
            for number, one in enumerate(judged, 1)
            for check in one.checks
        ],
    }
    answer(json.dumps(result, ensure_ascii=False))


def _show(judged: list[Judged], lang: str) -> None:
    """Print each signature and its checks, and what follows from them."""
    for number, one in enumerate(judged, 1):
        when = one.stamped or one.claimed
        key = "signed-by" if when else "signed-by-sometime"
        time = shown_moment(when, lang) if when else ""
        signer = one_line(one.signer)
        answer(text(key, lang, number=number, signer=signer, time=time))
        for line in shown(one.checks, lang):
            answer(line)
        answer(text(f"signed-{verdict(one.checks)}", lang))
    answer(text("signed-no-service", lang))
