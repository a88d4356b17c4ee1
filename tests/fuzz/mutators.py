"""Mutators that keep a form which random bytes would only break."""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable

Mutate = Callable[[bytes, int], bytes]

#: What a member may turn into: values of every JSON type.
_OTHERS: tuple[object, ...] = (None, True, 0, 1e300, "", "\ud800", [], {}, [[]], "AA==")
_PART = 3000


def mutate_member(data: bytes, max_size: int, seed: int, mutate: Mutate) -> bytes:
    """Change one member of a JSON object: its type, its text, or the bytes in base64.

    `mutate` is the fuzzer's own, for the bytes within.
    """
    rng = random.Random(seed)  # noqa: S311
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return mutate(data, max_size)
    if not isinstance(value, dict) or not value or rng.random() < 0.2:
        return mutate(data, max_size)
    inner = [value, *(item for item in value.values() if isinstance(item, dict))]
    members = rng.choice([item for item in inner if item])
    name = rng.choice(list(members))
    members[name] = _changed(members[name], rng, mutate)
    if rng.random() < 0.05:
        del members[name]
    changed = json.dumps(value).encode()
    return changed if len(changed) <= max_size else mutate(data, max_size)


def _changed(value: object, rng: random.Random, mutate: Mutate) -> object:
    if not isinstance(value, str) or rng.random() < 0.1:
        return rng.choice(_OTHERS)
    try:
        inside = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return mutate(value.encode(errors="replace"), _PART).decode("latin-1")
    return base64.b64encode(mutate(inside, _PART)).decode()
