"""Cards whose content is wrong, read by our client and judged as a portal would."""

from __future__ import annotations

import pytest

from agent import relyingparty as rp
from cardio.beid.card import BeidCard
from cardio.files import EF
from cardio.virtual import pki as test_pki
from cardio.virtual.card import VirtualCard
from cardio.virtual.faults import Fault
from cardio.virtual.faulty import FaultyCard
from cardio.virtual.profile import load_profile
from cardio.virtual.reader import DEFAULT_NAME, VirtualReaders
from tests.agent.relyingparty.cards import answer

pytestmark = pytest.mark.filterwarnings("ignore::agent.relyingparty.AcceptingTestCards")

_READ = {
    "photo": EF.PHOTO,
    "identity": EF.IDENTITY,
    "identitySignature": EF.IDENTITY_SIGNATURE,
    "address": EF.ADDRESS,
    "addressSignature": EF.ADDRESS_SIGNATURE,
}


def _judged(persona: str, fault: Fault | None) -> rp.VerifiedIdentity:
    """Read a card, the photo first, and verify what came out of it."""
    readers = VirtualReaders()
    readers.insert(FaultyCard(VirtualCard(load_profile(persona)), fault))
    card = BeidCard(readers.connect(DEFAULT_NAME))
    files = {name: card.read(ef) for name, ef in _READ.items()}
    files["rrnCertificate"] = card.read_certificate(EF.RRN)
    files["rootCertificate"] = card.read_certificate(EF.ROOT)
    return rp.verify_identity(answer(files), test_pki.test_roots(), allow_test=True)


@pytest.mark.parametrize("persona", ["adult", "adult-1.7"])
def test_wrong_content_is_found_out(persona: str) -> None:
    """Signature, photo, and a flipped bit in the file that was read first."""
    assert _judged(persona, None).data_authentic
    with pytest.raises(rp.IdentitySignatureInvalid):
        _judged(persona, Fault("wrong-rrn-signature"))
    for name in ("other-photo", "flipped-bit"):
        with pytest.raises(rp.PhotoMismatch):
            _judged(persona, Fault(name))
