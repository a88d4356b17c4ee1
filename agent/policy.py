"""The administrator's policy: JSON in, a value out, and what it decides; pure.

`policy.schema.json` beside this file describes the same form for editors and tools.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from agent.origins import BadOrigin, normalised

_MAX_ORIGINS = 10_000
_SPACE = " \t\n\r"

#: Members that are true or false, with the field that each fills.
_FLAGS = {
    "pinned": "pinned",
    "ask": "ask",
    "developer": "developer",
    "allowOrigin": "allow_origin",
    "signUnseen": "sign_unseen",
    "changePin": "change_pin",
    "counterMode": "counter_mode",
    "requirePinPad": "require_pin_pad",
    "updates": "updates",
}
_LISTS = ("allow", "deny")
_READERS = {"citizenReader": "citizen_reader", "clerkReader": "clerk_reader"}
#: The members that are neither flags nor lists.
_OTHERS = (*_READERS, "citizenScreen", "mode", "timestampUrl")
#: Characters of a name of a reader or screen.
_MAX_NAME = 256
#: A time stamp service (RFC 3161); its answers are signed, so HTTP will do.
_SERVICE = re.compile(r"http://[!-.0-~]+(/[!-~]*)?")


@dataclass(frozen=True)
class Policy:
    """What the administrator decided; without a file, nothing.

    `pinned`: the sites in `allow` may ask, and no others; a person's own grants do not
    count. `ask`: a site without any grant may ask the person. `require_pin_pad`: no
    login or signature but with a PIN that is typed on the reader. `counter`: every
    agent is one of a counter; the readers there by name, the citizens' screen by number
    from 1 or by name. `timestamp_url`: whom documents that a page has signed are
    stamped by (RFC 3161). The others permit what their name says; `closed` refuses
    everything (the file cannot be used).
    """

    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    pinned: bool = False
    ask: bool = True
    developer: bool = True
    allow_origin: bool = True
    sign_unseen: bool = True
    change_pin: bool = True
    counter_mode: bool = True
    require_pin_pad: bool = False
    updates: bool = True
    counter: bool = False
    citizen_reader: str | None = None
    clerk_reader: str | None = None
    citizen_screen: int | str | None = None
    timestamp_url: str | None = None
    closed: bool = False

    def denies(self, origin: str, *, granted: bool) -> bool:
        """Tell whether a site is refused; `granted`: it has a grant of the person's."""
        if self.closed or origin in self.deny:
            return True
        if origin in self.allow:
            return False
        return self.pinned or not (self.ask or granted)

    @property
    def own_grants(self) -> bool:
        """True where grants count that the policy does not list."""
        return not (self.pinned or self.closed)


class BadPolicy(Exception):
    """A policy that cannot be used: where, and the key of a text that says why.

    `pointer` is a JSON pointer (RFC 6901), None for what is no JSON; `line` counts from
    1, 0 where no line is to blame.
    """

    def __init__(self, reason: str, pointer: str | None = None, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer
        self.line = line


class _Wrong(Exception):
    """What is wrong at a path of names and numbers."""

    def __init__(self, reason: str, *path: str | int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def parse(data: bytes) -> Policy:
    """Read a policy; BadPolicy."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadPolicy("reason-no-json", None, line) from None
    except json.JSONDecodeError as error:
        raise BadPolicy("reason-no-json", None, error.lineno) from None
    except (ValueError, RecursionError):
        raise BadPolicy("reason-no-json") from None
    try:
        return _policy(value)
    except _Wrong as wrong:
        raise BadPolicy(
            wrong.reason, _pointer(wrong.path), _line(text, wrong.path)
        ) from None


class _Twice(dict[str, Any]):
    """An object in which a member stands twice."""

    def __init__(self, members: dict[str, Any], name: str) -> None:
        super().__init__(members)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            return _Twice(dict(pairs), name)
        members[name] = value
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("no number of JSON")


def _policy(value: object) -> Policy:
    if not isinstance(value, dict):
        raise _Wrong("reason-no-object")
    if isinstance(value, _Twice):
        raise _Wrong("reason-twice", value.name)
    fields: dict[str, Any] = {}
    for name, member in value.items():
        if name in _LISTS:
            fields[name] = _origins(name, member)
        elif name in _OTHERS:
            fields |= _other(name, member)
        elif name not in _FLAGS:
            raise _Wrong("reason-unknown-member", name)
        elif not isinstance(member, bool):
            raise _Wrong("reason-no-flag", name)
        else:
            fields[_FLAGS[name]] = member
    citizen, clerk = (fields.get(field) for field in _READERS.values())
    if citizen is not None and citizen == clerk:
        raise _Wrong("reason-one-reader", "clerkReader")
    return Policy(**fields)


def _other(name: str, value: object) -> dict[str, Any]:
    if name == "mode":
        if value != "counter":
            raise _Wrong("reason-no-mode", name)
        return {"counter": True}
    if name == "timestampUrl":
        if not isinstance(value, str) or not is_service(value):
            raise _Wrong("reason-no-service", name)
        return {"timestamp_url": value}
    if name == "citizenScreen" and type(value) is int and value >= 1:
        return {"citizen_screen": value}
    named = isinstance(value, str) and bool(value.strip()) and len(value) <= _MAX_NAME
    if not named:
        reason = "reason-no-screen" if name == "citizenScreen" else "reason-no-reader"
        raise _Wrong(reason, name)
    return {_READERS.get(name, "citizen_screen"): value}


def is_service(url: str) -> bool:
    """Tell whether this is the address of a service, as http://host/path."""
    return len(url) <= _MAX_NAME and _SERVICE.fullmatch(url) is not None


def _origins(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > _MAX_ORIGINS:
        raise _Wrong("reason-no-list", name)
    found = set()
    for number, origin in enumerate(value):
        if not isinstance(origin, str):
            raise _Wrong("reason-no-origin", name, number)
        try:
            found.add(normalised(origin))
        except BadOrigin as error:
            raise _Wrong(error.reason, name, number) from None
    return frozenset(found)


# --- where it is wrong ----------------------------------------------------------------


def _pointer(path: tuple[str | int, ...]) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


def _line(text: str, path: tuple[str | int, ...]) -> int:
    """Return the line on which the value at a path begins, in well-formed JSON."""
    at = _skip(text, 0)
    for step in path:
        at = _member(text, at, step)
    return text.count("\n", 0, at) + 1


def _member(text: str, at: int, step: str | int) -> int:
    """Return where a member begins, of the object or array that begins at `at`.

    Of a member that stands twice it is the last one.
    """
    is_object, found, number = text[at] == "{", at, 0
    while text[at] not in "]}":
        at = _skip(text, at + 1)
        name: str | int = number
        if is_object:
            name, at = json.JSONDecoder().raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if name == step:
            found = at
        _, at = json.JSONDecoder().raw_decode(text, at)
        at, number = _skip(text, at), number + 1
    return found


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
