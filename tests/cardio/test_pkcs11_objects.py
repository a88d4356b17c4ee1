"""Names, identifiers, key kinds, mechanisms and places: the pure parts of PKCS#11."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from cardio import pkcs11_objects as objects
from cardio import pkcs11_places as places
from cardio.beid.algorithms import ES384, RS256
from cardio.errors import UnsupportedCard
from cardio.files import EF
from cardio.signature import SignatureAlgorithm
from cardio.virtual.profile import load_profile

HASHES = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def test_identifiers_have_both_forms() -> None:
    """One byte as in the card's directory; a native unsigned long as the official's."""
    one_byte, native = objects.identifiers(2)
    assert one_byte == b"\x02"
    assert len(native) == struct.calcsize("@L")
    assert int.from_bytes(native, "little") == 2


@pytest.mark.parametrize(
    ("persona", "applet"),
    [("adult", "1.8"), ("adult-1.7", "1.7"), ("foreigner", "1.8")],
)
def test_the_kind_of_key_tells_the_applet(persona: str, applet: str) -> None:
    """RSA-2048 is 1.7, P-384 is 1.8."""
    certificate = load_profile(persona).files[EF.AUTHENTICATION]
    size = int.from_bytes(certificate[2:4], "big") + 4
    assert objects.applet_by_certificate(certificate[:size]) == applet


def test_garbage_is_no_applet() -> None:
    """Neither as a certificate nor as a version or a size of key."""
    assert objects.applet_by_certificate(b"\x30\x03abc") is None
    assert objects.applet_by_firmware(0x19) is None
    assert objects.applet_by_rsa_bits(4096) is None
    assert objects.applet_by_rsa_bits(None) is None


@pytest.mark.parametrize("name", HASHES)
def test_pkcs1_is_given_a_digest_info_that_verifies(name: str) -> None:
    """What CKM_RSA_PKCS pads and signs is what a verifier of v1.5 expects.

    The module's part (padding and exponent) is done here by hand.
    """
    digest = hashlib.new(name, b"text").digest()
    algorithm = SignatureAlgorithm("RS" + name[3:], name, len(digest), 1, 256)
    how = objects.mechanism(algorithm, digest)
    assert how.number == objects.CKM_RSA_PKCS
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = key.private_numbers()
    padded = b"\0\1" + b"\xff" * (256 - 3 - len(how.data)) + b"\0" + how.data
    power = pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n)
    key.public_key().verify(
        power.to_bytes(256), digest, padding.PKCS1v15(), utils.Prehashed(HASHES[name])
    )


def test_ecdsa_is_given_the_digest_itself() -> None:
    """CKM_ECDSA hashes nothing."""
    how = objects.mechanism(ES384, bytes(48))
    assert (how.number, how.data) == (objects.CKM_ECDSA, bytes(48))


@pytest.mark.parametrize("algorithm", [ES384, RS256])
def test_a_digest_of_the_wrong_length_goes_nowhere(
    algorithm: SignatureAlgorithm,
) -> None:
    """It is the caller's mistake, found before any login."""
    with pytest.raises(ValueError, match="signs"):
        objects.mechanism(algorithm, bytes(20))


def test_an_unknown_algorithm_is_refused() -> None:
    """No mechanism is guessed."""
    unknown = SignatureAlgorithm("RS3-256", "sha3_256", 32, 0x20, 256)
    with pytest.raises(UnsupportedCard):
        objects.mechanism(unknown, bytes(32))


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_every_platform_has_places_and_the_official_come_first(platform: str) -> None:
    """OpenSC shows no identity, so it is the second choice."""
    kinds = [kind for system, kind, _ in places.PLACES if system == platform]
    assert set(kinds) == {"official", "opensc"}
    assert kinds == sorted(kinds, key=["official", "opensc"].index)
    assert len(list(places.candidates(platform))) == len(kinds)
    assert not any("{" in str(path) for path in places.candidates(platform))


def test_installed_names_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And passes over folders and empty places."""
    there = tmp_path / "module.so"
    there.touch()
    rows = [("x", "opensc", str(path)) for path in (tmp_path, tmp_path / "no", there)]
    monkeypatch.setattr(places, "PLACES", tuple(rows))
    assert places.installed("x") == (there,)
