"""Which algorithms an applet has, by the names that the web uses for them."""

from __future__ import annotations

import hashlib

import pytest

from cardio.beid.algorithms import (
    ES384,
    RS256,
    algorithm,
    algorithms,
    is_of,
    login_algorithm,
    unspecified,
)
from cardio.errors import UnsupportedCard
from cardio.signature import Padding, SignatureAlgorithm


def test_each_signing_applet_has_its_algorithm() -> None:
    """1.8 signs SHA-384 with number 02, 1.7 SHA-256 with number 08."""
    assert login_algorithm("1.8") is ES384
    assert (ES384.jwa, ES384.digest_size, ES384.reference) == ("ES384", 48, 2)
    assert login_algorithm("1.7") is RS256
    assert (RS256.jwa, RS256.digest_size, RS256.reference) == ("RS256", 32, 8)


@pytest.mark.parametrize("applet", ["1.0", "1.1", "2.0"])
def test_older_applets_do_not_sign(applet: str) -> None:
    """RSA-1024 and SHA-1 prove nothing any more."""
    assert algorithms(applet) == ()
    with pytest.raises(UnsupportedCard, match="nobody accepts"):
        login_algorithm(applet)
    with pytest.raises(UnsupportedCard):
        algorithm(applet, Padding.PKCS1, "SHA-256")


#: Applet, padding, hash by its Web eID name: MSE number, bytes of the digest and of
#: what goes to the card (manual 1.7 table 11, manual 1.8 table 14).
TABLE = [
    ("1.7", "PKCS1.5", "SHA-256", 0x08, 32, 32),
    ("1.7", "PKCS1.5", "SHA-384", 0x01, 48, 67),
    ("1.7", "PKCS1.5", "SHA-512", 0x01, 64, 83),
    ("1.7", "PSS", "SHA-256", 0x20, 32, 32),
    ("1.8", "NONE", "SHA-256", 0x01, 32, 32),
    ("1.8", "NONE", "SHA-384", 0x02, 48, 48),
    ("1.8", "NONE", "SHA-512", 0x04, 64, 64),
    ("1.8", "NONE", "SHA3-256", 0x08, 32, 32),
    ("1.8", "NONE", "SHA3-384", 0x10, 48, 48),
    ("1.8", "NONE", "SHA3-512", 0x20, 64, 64),
    ("1.8", "NONE", "SHA-224", 0x40, 28, 28),
    ("1.8", "NONE", "SHA3-224", 0x40, 28, 28),
]


@pytest.mark.parametrize(
    ("applet", "padding", "hash_function", "reference", "size", "sent"), TABLE
)
def test_the_table_of_the_manuals(
    applet: str, padding: str, hash_function: str, reference: int, size: int, sent: int
) -> None:
    """Each name finds its number; the names of the row are those it was found by."""
    found = algorithm(applet, Padding(padding), hash_function)
    assert found.reference == reference
    assert found.digest_size == size == hashlib.new(found.hash_name).digest_size
    assert len(found.to_be_signed(bytes(size))) == sent
    assert found.to_json() == {
        "cryptoAlgorithm": "RSA" if applet == "1.7" else "ECC",
        "hashFunction": hash_function,
        "paddingScheme": padding,
    }
    assert found in algorithms(applet)


def test_nothing_else_is_offered() -> None:
    """The list for the web is the table, the algorithm of the login first."""
    offered = [(applet, row) for applet in ("1.7", "1.8") for row in algorithms(applet)]
    assert len(offered) == len(TABLE)
    assert [algorithms(applet)[0] for applet in ("1.7", "1.8")] == [RS256, ES384]


def test_without_a_padding_the_usual_one_is_taken() -> None:
    """A page that names a hash alone gets v1.5 on 1.7, and none on 1.8."""
    assert algorithm("1.7", None, "SHA-256").padding is Padding.PKCS1
    assert algorithm("1.8", None, "SHA-256").padding is Padding.NONE


@pytest.mark.parametrize(
    ("applet", "padding", "hash_function"),
    [
        ("1.7", Padding.PSS, "SHA-384"),
        ("1.7", Padding.NONE, "SHA-256"),
        ("1.7", Padding.PKCS1, "SHA3-256"),
        ("1.7", None, "SHA-1"),
        ("1.8", Padding.PKCS1, "SHA-256"),
        ("1.8", None, "SHA-1"),
        ("1.8", None, "sha384"),
        ("1.8", None, ""),
    ],
)
def test_what_a_card_lacks_is_said(
    applet: str, padding: Padding | None, hash_function: str
) -> None:
    """No number is guessed for a name that the applet has no algorithm for."""
    with pytest.raises(UnsupportedCard, match="does not sign"):
        algorithm(applet, padding, hash_function)


def test_an_unnamed_hash_goes_by_its_length() -> None:
    """Number 40 of 1.8 takes five lengths, and 1.7 has nothing like it."""
    for size in (20, 28, 32, 48, 64):
        assert unspecified("1.8", size).to_be_signed(bytes(size)) == bytes(size)
        assert unspecified("1.8", size).reference == 0x40
        with pytest.raises(UnsupportedCard):
            unspecified("1.7", size)
    with pytest.raises(UnsupportedCard):
        unspecified("1.8", 16)


def test_a_number_means_one_thing_on_each_applet() -> None:
    """What belongs to one applet is not taken for the other's."""
    for row in algorithms("1.7"):
        assert is_of("1.7", row)
        assert not is_of("1.8", row)
    for row in (*algorithms("1.8"), unspecified("1.8", 20)):
        assert is_of("1.8", row)
        assert not is_of("1.7", row)


@pytest.mark.parametrize("row", [*algorithms("1.7"), *algorithms("1.8")])
def test_no_other_length_is_taken(row: SignatureAlgorithm) -> None:
    """A digest that is a byte too short or too long, or empty, is no digest of it."""
    for wrong in (0, row.digest_size - 1, row.digest_size + 1):
        with pytest.raises(ValueError, match="signs"):
            row.to_be_signed(bytes(wrong))
