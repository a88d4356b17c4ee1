"""A program that serves people at a counter and looks what is left of them; for a test.

The garbage collector says what can be reached. The cards are taken out before. In a
process of its own: other tests leave their people behind.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from agent.settings import Settings
from cardio.virtual.personas import PERSONAS
from cardio.virtual.profile import load_profile
from tests.agent.people import Agent, running
from tests.agent.test_counter import AtWindows
from tests.rig.transcript import RecordedCard

PEOPLE = ("adult", "adult-1.7", "foreigner", "long-names", "rekeyed-1.7")
CITIZEN = "Reader 0"
#: What is one person's alone.
OWN = (
    "cardNumber",
    "chipNumber",
    "dateOfBirth",
    "givenNames",
    "nationalNumber",
    "photoHash",
    "streetAndNumber",
    "surname",
)


def _needles(answers: list[Any], personas: tuple[str, ...]) -> list[bytes]:
    """Return what tells of these people: values of the cards, serials, certificates."""
    found = set()
    for answer in answers:
        members = {**answer["identity"], **(answer["address"] or {})}
        found |= {value.encode() for name in OWN if len(value := members[name]) >= 8}
    found |= {load_profile(persona).chip_serial for persona in personas}
    return sorted(found)


def _texts(roots: list[Any], *, everything: bool) -> dict[int, bytes]:
    """Return all text and bytes that can be reached, by their identity.

    Without `everything` the way ends at modules, classes and functions.
    """
    ends = () if everything else (ModuleType, type, FunctionType)
    seen = {id(roots)}
    found = {}
    todo = list(roots)
    seen.add(id(todo))
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, ends):
            continue
        seen.add(id(one))
        if isinstance(one, str):
            found[id(one)] = one.encode(errors="surrogatepass")
        elif isinstance(one, bytes | bytearray | memoryview):
            found[id(one)] = bytes(one)
        else:
            todo += gc.get_referents(one)
    return found


def _reachable(needles: list[bytes]) -> list[str]:
    """Return where these stand in what the collector reaches, invented people apart.

    Those are constants of the module that invents them.
    """
    gc.collect()
    own = set(_texts([PERSONAS, needles], everything=False))
    found = _texts(gc.get_objects(), everything=True)
    return [
        f"{needle!r} in {data[:80]!r}"
        for where, data in found.items()
        for needle in needles
        if where not in own and needle in data
    ]


async def _serve(agent: Agent, persona: str) -> Any:
    """Let one person be read and log in; return what the page got."""
    agent.readers.insert(RecordedCard(load_profile(persona)), CITIZEN)
    answer = await agent.identity("identity", "address", "photo", challenge="c" * 44)
    assert answer.status == 200
    login = await agent.login()
    assert login.status == 200
    return answer.body


async def serve_and_look(tmp_path: Path) -> None:
    """In no text or bytes that can be reached, in no file and in no file's name."""
    settings = Settings(counter=True, data_dir=tmp_path, citizen_reader=CITIZEN)
    async with running("", person=AtWindows(), settings=settings) as agent:
        answers = []
        for persona in PEOPLE:
            answers.append(await _serve(agent, persona))
            if persona != PEOPLE[-1]:
                agent.readers.remove(CITIZEN)
        needles = _needles(answers, PEOPLE)
        answers.clear()
        assert len(needles) > 20
        agent.readers.remove(CITIZEN)
        async with asyncio.timeout(5):
            while agent.service._monitor.found():
                await asyncio.sleep(0)
        assert _reachable(needles) == []
        left = [bytearray(needles[0])]
        assert len(_reachable(needles)) == len(left)  # the search finds what is left
        assert agent.service.people_served() == len(PEOPLE)
        for path in tmp_path.rglob("*"):
            data = os.fsencode(path.name)
            data += path.read_bytes() if path.is_file() else b""
            found = [
                one for one in needles if one in data or one.hex().encode() in data
            ]
            assert found == [], path


if __name__ == "__main__":
    asyncio.run(serve_and_look(Path(sys.argv[1])))
