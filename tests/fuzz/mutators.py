"""Mutators that keep a form which random bytes would only break."""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable

from tests.fuzz.conversation import MAX_COMMAND, join_commands, split_commands

Mutate = Callable[[bytes, int], bytes]

#: What a member may turn into: values of every JSON type.
_OTHERS: tuple[object, ...] = (None, True, 0, 1e300, "", "\ud800", [], {}, [[]], "AA==")
_PART = 3000
#: Instructions, and parameters that some command has.
_INSTRUCTIONS = bytes.fromhex("2022242A2C8488A4B0B2C0E4E6")
_PARAMETERS = bytes.fromhex("0001020408410C819A9EB6FF")


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
    if rng.random() < 0.2:
        return _with_a_character(value, rng)
    try:
        inside = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return mutate(value.encode(errors="replace"), _PART).decode("latin-1")
    return base64.b64encode(mutate(inside, _PART)).decode()


def _with_a_character(text: str, rng: random.Random) -> str:
    """Put any character of Unicode at any place."""
    place = rng.randint(0, len(text))
    return text[:place] + chr(rng.randrange(0x110000)) + text[place:]


def mutate_command(data: bytes, max_size: int, seed: int, mutate: Mutate) -> bytes:
    """Change, add, repeat or drop one command of a conversation, lengths kept right."""
    rng = random.Random(seed)  # noqa: S311
    commands = list(split_commands(data[1:]))
    place = rng.randint(0, len(commands))
    choice = rng.randrange(6)
    if choice == 0:
        commands.insert(place, _new_command(rng))
    elif place == len(commands):
        return mutate(data, max_size)
    elif choice == 1:
        commands.insert(rng.randint(0, len(commands)), commands[place])
    elif choice == 2:
        del commands[place]
    elif choice == 3:
        commands[place] = mutate(commands[place], MAX_COMMAND)
    else:
        commands[place] = _with_a_byte(commands[place], 5 if choice == 4 else 16, rng)
    changed_data = data[:1] + join_commands(commands)
    return changed_data if len(changed_data) <= max_size else mutate(data, max_size)


def _with_a_byte(command: bytes, within: int, rng: random.Random) -> bytes:
    """Change one of the first bytes: those of the header, or a few more."""
    changed = bytearray(command)
    if changed:
        changed[rng.randrange(min(within, len(changed)))] = rng.randrange(256)
    return bytes(changed)


def _new_command(rng: random.Random) -> bytes:
    """Return a near miss: a known instruction, parameters of some command."""
    head = [rng.choice((0x00, 0x80)), rng.choice(_INSTRUCTIONS)]
    head += [rng.choice(_PARAMETERS), rng.choice(_PARAMETERS)]
    return bytes(head) + rng.randbytes(rng.choice((0, 1, 1, 9, 17)))
