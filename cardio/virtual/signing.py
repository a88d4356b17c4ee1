"""What the chip computes: signatures over digests that come from outside; pure.

Source: applet manual 1.7 table 11, applet manual 1.8 tables 14 and 6.11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    decode_dss_signature,
)

from cardio.virtual.pki import PrivateKey


class WrongLength(Exception):
    """The data to be signed do not have the length that the algorithm needs."""


def _raw_pkcs1(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """Pad what comes (DigestInfo included by the caller), up to modulus - 11 bytes."""
    if not 1 <= len(data) <= key.key_size // 8 - 11:
        raise WrongLength
    return key.sign(data, padding.PKCS1v15(), NoDigestInfo())


def _pkcs1(
    algorithm: hashes.HashAlgorithm,
) -> Callable[[rsa.RSAPrivateKey, bytes], bytes]:
    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        if len(data) != algorithm.digest_size:
            raise WrongLength
        return key.sign(data, padding.PKCS1v15(), Prehashed(algorithm))

    return sign


def _pss(
    algorithm: hashes.HashAlgorithm,
) -> Callable[[rsa.RSAPrivateKey, bytes], bytes]:
    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        if len(data) != algorithm.digest_size:
            raise WrongLength
        scheme = padding.PSS(padding.MGF1(algorithm), salt_length=algorithm.digest_size)
        return key.sign(data, scheme, Prehashed(algorithm))

    return sign


#: Algorithm references of applet 1.7 (01 to 08 on the older ones, too).
RSA_ALGORITHMS: Mapping[int, Callable[[rsa.RSAPrivateKey, bytes], bytes]] = {
    0x01: _raw_pkcs1,
    0x02: _pkcs1(hashes.SHA1()),  # noqa: S303  (the card offers it)
    0x04: _pkcs1(hashes.MD5()),  # noqa: S303
    0x08: _pkcs1(hashes.SHA256()),
    0x10: _pss(hashes.SHA1()),  # noqa: S303
    0x20: _pss(hashes.SHA256()),
}

#: Algorithm references of applet 1.8: the digest lengths each one takes.
EC_ALGORITHMS: Mapping[int, tuple[int, ...]] = {
    0x01: (32,),
    0x02: (48,),
    0x04: (64,),
    0x08: (32,),
    0x10: (48,),
    0x20: (64,),
    0x40: (20, 28, 32, 48, 64),
}

#: Any hash of the right length stands for it: the card never hashes.
_BY_LENGTH: Mapping[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),  # noqa: S303
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def ecdsa(key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """Sign a digest as it is; return r||s, each as long as the curve's order."""
    der = key.sign(digest, ec.ECDSA(Prehashed(_BY_LENGTH[len(digest)])))
    size = (key.key_size + 7) // 8
    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(der))


def compute(key: PrivateKey, algorithm: int, data: bytes) -> bytes:
    """PSO:COMPUTE DIGITAL SIGNATURE; WrongLength where the data do not fit."""
    if isinstance(key, rsa.RSAPrivateKey):
        return RSA_ALGORITHMS[algorithm](key, data)
    if len(data) not in EC_ALGORITHMS[algorithm]:
        raise WrongLength
    return ecdsa(key, data)
