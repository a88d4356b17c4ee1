"""What was found of the signatures of a document; values, pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from agent.checks import Check, Result


@dataclass(frozen=True)
class Judged:
    """One signature: who signed, when by the signer's own word, and what holds.

    `chain` leads from the signer's certificate towards a root, as DER; it was not
    trusted where the check `signer-certificate` does not say so.
    """

    signer: str
    claimed: str | None
    stamped: str | None
    chain: tuple[bytes, ...]
    checks: tuple[Check, ...]


def to_json(judged: Judged) -> dict[str, Any]:
    """Return what goes over the pipe."""
    return dataclasses.asdict(judged) | {"chain": [each.hex() for each in judged.chain]}


def from_json(told: dict[str, Any]) -> Judged:
    """Return what came over the pipe; KeyError, TypeError, ValueError."""
    checks = tuple(
        Check(each["name"], Result(**each["result"]), bool(each["needed"]))
        for each in told["checks"]
    )
    chain = tuple(map(bytes.fromhex, told["chain"]))
    return Judged(told["signer"], told["claimed"], told["stamped"], chain, checks)
