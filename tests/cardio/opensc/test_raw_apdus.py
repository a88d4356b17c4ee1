"""Signatures by raw APDUs from the manuals' tables, through a real pcscd.

OpenSC 0.23 signs neither with a 1.8 card nor with the non-repudiation key. So these
scripts are written down byte by byte (applet manuals 1.7 and 1.8, tables of algorithms
and keys; status words of chapter 6) and use nothing of the project's client.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from smartcard import scard

from cardio import tlv
from cardio.files import EF
from cardio.virtual.profile import Profile, load_profile
from tests.rig.pcscd import Pcscd

pytestmark = pytest.mark.pcscd

VERIFY_1234 = "00 20 00 01 08 24 12 34 FF FF FF FF FF"
VERIFY_4321 = "00 20 00 01 08 24 43 21 FF FF FF FF FF"
KEYS = {"82": EF.AUTHENTICATION, "83": EF.SIGNATURE}


class Wire:
    """A card in a reader, by winscard's own calls."""

    def __init__(self, reader: str) -> None:
        code, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        assert code == scard.SCARD_S_SUCCESS
        code, self._card, protocol = scard.SCardConnect(
            self._context, reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0
        )
        assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
        assert protocol == scard.SCARD_PROTOCOL_T0

    def __call__(self, command: str) -> tuple[bytes, str]:
        """Send hex, return (data, status word in hex)."""
        code, answer = scard.SCardTransmit(
            self._card, scard.SCARD_PCI_T0, list(bytes.fromhex(command))
        )
        assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
        raw = bytes(answer)
        return raw[:-2], raw[-2:].hex().upper()

    def close(self) -> None:
        """Reset the card on the way out."""
        scard.SCardDisconnect(self._card, scard.SCARD_RESET_CARD)
        scard.SCardReleaseContext(self._context)


@pytest.fixture(params=["adult", "adult-1.7"])
def profile(request: pytest.FixtureRequest) -> Profile:
    """One card of each applet that signs."""
    return load_profile(request.param)


@pytest.fixture
def send(pcscd: Pcscd, profile: Profile) -> Iterator[Wire]:
    """A wire to that card."""
    with pcscd.card(profile):
        wire = Wire(pcscd.reader)
        yield wire
        wire.close()


def mse(profile: Profile, key: str) -> str:
    """MSE:SET: 1.8 ECDSA with SHA-384 is 02, 1.7 PKCS#1 with SHA-256 is 08."""
    algorithm = "02" if profile.applet == "1.8" else "08"
    return f"00 22 41 B6 05 04 80 {algorithm} 84 {key}"


def digest_of(profile: Profile) -> bytes:
    """The digest that the algorithm takes."""
    name = "sha384" if profile.applet == "1.8" else "sha256"
    return hashlib.new(name, b"message").digest()


def pso(profile: Profile) -> str:
    """PSO:COMPUTE DIGITAL SIGNATURE over the digest."""
    digest = digest_of(profile)
    return f"00 2A 9E 9A {len(digest):02X} {digest.hex()}"


def announced(profile: Profile) -> str:
    """What a signature announces: 96 bytes r||s, or 256 bytes RSA."""
    return "6160" if profile.applet == "1.8" else "6100"


def check(profile: Profile, key: str, signature: bytes) -> None:
    """Verify by `cryptography` with the certificate's key; a wrong one must fail."""
    stored = profile.files[KEYS[key]]
    certificate = x509.load_der_x509_certificate(stored[: tlv.der_length(stored[:6])])
    verify(certificate.public_key(), signature, digest_of(profile))
    with pytest.raises(InvalidSignature):
        verify(certificate.public_key(), signature, digest_of(profile)[::-1])


def verify(public: Any, signature: bytes, digest: bytes) -> None:
    """Check a raw signature over a digest."""
    if isinstance(public, rsa.RSAPublicKey):
        algorithm = utils.Prehashed(hashes.SHA256())
        public.verify(signature, digest, padding.PKCS1v15(), algorithm)
        return
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(part, "big") for part in (signature[:48], signature[48:]))
    der = utils.encode_dss_signature(r, s)
    public.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA384())))


@pytest.mark.parametrize("key", KEYS)
def test_both_keys_sign_right_after_verify(
    send: Wire, profile: Profile, key: str
) -> None:
    """MSE, VERIFY, PSO, GET RESPONSE: the shortest way to a signature."""
    assert send(mse(profile, key)) == (b"", "9000")
    assert send(VERIFY_1234) == (b"", "9000")
    assert send(pso(profile)) == (b"", announced(profile))
    signature, status = send(f"00 C0 00 00 {announced(profile)[2:]}")
    assert status == "9000"
    check(profile, key, signature)


@pytest.mark.parametrize("key", KEYS)
def test_no_key_signs_without_verify(send: Wire, profile: Profile, key: str) -> None:
    """6982, as the status table of PSO says."""
    assert send(mse(profile, key)) == (b"", "9000")
    assert send(pso(profile)) == (b"", "6982")


def test_one_verify_gives_one_non_repudiation_signature(
    send: Wire, profile: Profile
) -> None:
    """The second needs a second PIN, even straight after the first."""
    send(mse(profile, "83"))
    send(VERIFY_1234)
    assert send(pso(profile)) == (b"", announced(profile))
    send(f"00 C0 00 00 {announced(profile)[2:]}")
    assert send(pso(profile)) == (b"", "6982")


def test_one_verify_gives_many_authentication_signatures(
    send: Wire, profile: Profile
) -> None:
    """The right stays until LOG OFF, which ends it."""
    send(mse(profile, "82"))
    send(VERIFY_1234)
    for _ in range(2):
        assert send(pso(profile)) == (b"", announced(profile))
        send(f"00 C0 00 00 {announced(profile)[2:]}")
    assert send("80 E6 00 00") == (b"", "9000")
    send(mse(profile, "82"))
    assert send(pso(profile)) == (b"", "6982")


def test_wrong_pins_count_down_and_the_right_one_resets(
    send: Wire, profile: Profile
) -> None:
    """63C2, 63C1, then 9000; the status query tells three again after LOG OFF."""
    assert send(VERIFY_4321) == (b"", "63C2")
    assert send(VERIFY_4321) == (b"", "63C1")
    assert send(VERIFY_1234) == (b"", "9000")
    assert send("80 E6 00 00") == (b"", "9000")
    assert send("00 20 00 01 00") == (b"", "63C3")


def test_get_card_data_names_the_applet(send: Wire, profile: Profile) -> None:
    """Byte 21 is the applet's version: 17 or 18."""
    data, status = send("80 E4 00 00 1C")
    assert status == "9000"
    assert f"{data[21]:02X}" == profile.applet.replace(".", "")
