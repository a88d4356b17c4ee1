"""What the chip computes over digests from outside; pure, no I/O.

Source: applet manuals, MSE:SET (algorithm references) and PSO:CDS. The card never
hashes. RSA block type 1 is padded and exponentiated here, since reference 01 takes any
data and not only a digest: not in constant time, and only ever with test keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
#: Signs; raises WrongLength.
Algorithm = Callable[[PrivateKey, bytes], bytes]


class WrongLength(Exception):
    """The data do not have the length that the algorithm takes."""


#: What stands before the hash in a DigestInfo (RFC 8017, 9.2).
_MD5 = bytes.fromhex("3020300C06082A864886F70D020505000410")
_SHA1 = bytes.fromhex("3021300906052B0E03021A05000414")
_SHA256 = bytes.fromhex("3031300D060960864801650304020105000420")


def _pkcs1(prefix: bytes = b"") -> Algorithm:
    """RSASSA-PKCS1-v1_5; without a prefix the caller brings the DigestInfo along.

    A DigestInfo prefix ends with the length of its hash.
    """

    def sign(key: PrivateKey, data: bytes) -> bytes:
        size, numbers = _rsa(key)
        if len(data) > size - 11 or (prefix and len(data) != prefix[-1]):
            raise WrongLength
        content = b"\0" + prefix + data
        block = (b"\0\1" + content.rjust(size - 2, b"\xff"))[:size]
        result = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
        return result.to_bytes(size, "big")

    return sign


def _rsa(key: PrivateKey) -> tuple[int, rsa.RSAPrivateNumbers]:
    """Return the modulus length in bytes, and the numbers."""
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("this applet has RSA keys")
    return key.key_size // 8, key.private_numbers()


def _pss(algorithm: hashes.HashAlgorithm) -> Algorithm:
    """RSASSA-PSS with a salt as long as the hash."""

    def sign(key: PrivateKey, data: bytes) -> bytes:
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("this applet has RSA keys")
        if len(data) != algorithm.digest_size:
            raise WrongLength
        scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        return key.sign(data, scheme, Prehashed(algorithm))

    return sign


#: ECDSA signs a digest as a number, so that any hash of its length may stand for it
#: (SHA-256 for SHA3-256).
_BY_LENGTH: Mapping[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),  # noqa: S303  # stands for 20 bytes, nothing is hashed
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def _ecdsa(*lengths: int) -> Algorithm:
    """ECDSA over a digest of one of these lengths; r and s as long as the order."""

    def sign(key: PrivateKey, data: bytes) -> bytes:
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("this applet has EC keys")
        if len(data) not in lengths:
            raise WrongLength
        der = key.sign(data, ec.ECDSA(Prehashed(_BY_LENGTH[len(data)])))
        size = (key.key_size + 7) // 8
        return b"".join(
            part.to_bytes(size, "big") for part in decode_dss_signature(der)
        )

    return sign


RSA_1_1: Mapping[int, Algorithm] = {
    0x01: _pkcs1(),
    0x02: _pkcs1(_SHA1),
    0x04: _pkcs1(_MD5),
}

RSA_1_7: Mapping[int, Algorithm] = {
    **RSA_1_1,
    0x08: _pkcs1(_SHA256),
    0x10: _pss(hashes.SHA1()),  # noqa: S303  # the card offers it
    0x20: _pss(hashes.SHA256()),
}

#: SHA-256, -384, -512, SHA3-256, -384, -512, and a hash that is not specified.
EC_1_8: Mapping[int, Algorithm] = {
    0x01: _ecdsa(32),
    0x02: _ecdsa(48),
    0x04: _ecdsa(64),
    0x08: _ecdsa(32),
    0x10: _ecdsa(48),
    0x20: _ecdsa(64),
    0x40: _ecdsa(20, 28, 32, 48, 64),
}

#: INTERNAL AUTHENTICATE by the size of the basic key: reference and digest length.
CHIP_ALGORITHMS: Mapping[int, tuple[int, int]] = {
    256: (0x01, 32),
    384: (0x02, 48),
    512: (0x04, 64),
    521: (0x04, 64),
}
