"""Who may write a file, from what Windows says of it in SDDL; pure.

Security Descriptor Definition Language: [MS-DTYP] 2.5.1. What is not understood counts
as open to others.
"""

from __future__ import annotations

import re

#: SYSTEM, the group of administrators, and the service that installs Windows itself.
_TRUSTED = frozenset(
    {
        "SY",
        "BA",
        "S-1-5-18",
        "S-1-5-32-544",
        "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    }
)
#: Rights that change nothing: read, list, execute, read attributes and the list itself.
_READING = frozenset({"FR", "FX", "GR", "GX", "RC"})
#: Every bit of an access mask but reading ones: read data, read extended attributes,
#: execute, read attributes, read control, synchronize, generic execute and read.
_WRITING = 0xFFFFFFFF & ~(0x1 | 0x8 | 0x20 | 0x80 | 0x20000 | 0x100000 | 0xA0000000)

_WHOLE = re.compile(r"O:([A-Z]{2}|S[-0-9]+)D:((?:P|AR|AI)*)((?:\([^()]*\))*)")


def administrators_alone_write(sddl: str) -> bool:
    """Tell whether administrators own it, and nobody else may change or replace it."""
    whole = _WHOLE.fullmatch(sddl)
    if whole is None or whole[1] not in _TRUSTED:
        return False
    entries = [entry.split(";") for entry in re.findall(r"\(([^()]*)\)", whole[3])]
    # Without any entry nobody may anything; without a list at all, everybody all.
    return all(map(_harmless, entries))


def _harmless(entry: list[str]) -> bool:
    """Tell whether an entry lets nobody but administrators write."""
    if len(entry) != 6:
        return False
    kind, flags, rights, _, _, whom = entry
    inherited_only = "IO" in re.findall("..", flags)
    if kind == "D" or inherited_only or whom in _TRUSTED:
        return True
    if kind != "A":
        return False
    if rights.startswith("0x"):
        return int(rights, 16) & _WRITING == 0
    return bool(rights) and set(re.findall("..?", rights)) <= _READING
