"""`include` to the letter: what was not asked for is neither answered nor read."""

from __future__ import annotations

import base64
import itertools
import json

import pytest

from agent.protocol import PARTS
from cardio.apdu import INS
from cardio.files import CERTIFICATES, EF
from cardio.virtual.profile import load_profile
from tests.agent.people import running
from tests.rig.transcript import RecordedCard

#: What a part is proven with, by the API's description; and each file's name there.
_PROVEN = (EF.RRN, EF.ROOT)
_FILES = {
    "identity": {EF.IDENTITY, EF.IDENTITY_SIGNATURE, *_PROVEN},
    "address": {EF.ADDRESS, EF.ADDRESS_SIGNATURE, EF.IDENTITY_SIGNATURE, *_PROVEN},
    "photo": {EF.PHOTO},
}
#: What the agent reads by itself for a login that may follow, and gives nobody.
_AHEAD = {EF.AUTHENTICATION, EF.CA}
_NAMES = {
    "identity": EF.IDENTITY,
    "identitySignature": EF.IDENTITY_SIGNATURE,
    "address": EF.ADDRESS,
    "addressSignature": EF.ADDRESS_SIGNATURE,
    "photo": EF.PHOTO,
    "rrnCertificate": EF.RRN,
    "rootCertificate": EF.ROOT,
}
_LISTS = [
    parts
    for count in range(1, len(PARTS) + 1)
    for parts in itertools.permutations(PARTS, count)
]


def _selected(card: RecordedCard) -> set[int]:
    """Return the identifiers of the files that the card was asked for."""
    return {
        int.from_bytes(exchange.command[-2:])
        for exchange in card.exchanges
        if exchange.ins == INS.SELECT
    }


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_an_include_list_is_respected_byte_for_byte(persona: str) -> None:
    """Every list in every order: these members, these files, no others on the card."""
    stored = load_profile(persona).files
    for parts in _LISTS:
        wanted = set[EF]().union(*(_FILES[part] for part in parts))
        async with running(persona) as agent:
            answer = await agent.identity(*parts)
            assert answer.status == 200
            body = answer.body
            assert set(body) == {"format", "raw", *parts}
            assert {_NAMES[name] for name in body["raw"]} == wanted
            for name, text in body["raw"].items():
                file = stored[_NAMES[name]]
                data = base64.b64decode(text, validate=True)
                if _NAMES[name] in CERTIFICATES:  # given without what pads them
                    assert file.startswith(data)
                    assert not file[len(data) :].strip(b"\0")
                else:
                    assert data == file
            assert _selected(agent.cards[0]) <= {ef.fid for ef in wanted | _AHEAD}


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
async def test_identity_alone_has_no_photo_and_no_address_anywhere(
    persona: str,
) -> None:
    """Not parsed, not in `raw`, and the card was not asked for them."""
    stored = load_profile(persona).files
    async with running(persona) as agent:
        body = (await agent.identity("identity")).body
        text = json.dumps(body, ensure_ascii=False)
        for ef in (EF.PHOTO, EF.ADDRESS, EF.ADDRESS_SIGNATURE):
            assert base64.b64encode(stored[ef]).decode() not in text
            assert ef.fid not in _selected(agent.cards[0])
        full = (await agent.identity(*PARTS)).body
        assert full["photo"]
        assert full["address"]
