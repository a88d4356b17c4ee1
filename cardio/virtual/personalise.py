"""Makes the card of a persona: keys, certificates, signed files; uses the cache.

Source: card content 4.3 (padding), 6 (identity, address, signatures).
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from cardio import tlv
from cardio.files import EF, Key
from cardio.virtual import cache, pki
from cardio.virtual.persona import Persona

#: Zero bytes behind a certificate, and in place of an absent one (card content 4.3).
_PADDING = {"1.7": 50, "1.8": 1100}
_ABSENT = {"1.7": 1300, "1.8": 2500}
#: On 1.7 these two have exactly the certificate's size.
_EXACT_ON_1_7 = (EF.ROOT, EF.RRN)
_HOLDER = {
    Key.AUTHENTICATION: EF.AUTHENTICATION,
    Key.NON_REPUDIATION: EF.SIGNATURE,
}
#: Issued cards of either applet have address files of this size, zero-padded.
_ADDRESS_SIZE = 121
#: An EC signature file has one size, whatever the length of the DER in it.
_EC_SIGNATURE_SIZE = 256


@dataclass(frozen=True)
class Personalised:
    """What personalisation puts on a chip; PKCS#15 files excepted."""

    files: dict[EF, bytes]
    keys: dict[Key, pki.PrivateKey]


def personalise(persona: Persona, applet: str) -> Personalised:
    """Return the persona's card for applet 1.7 or 1.8, made on first use."""
    made_from = _fingerprint(persona, applet)

    def make() -> cache.Entry:
        return {"made from": made_from, **_dump(_make(persona, applet))}

    entry = cache.entry(
        f"{persona.name}-{applet}", make, lambda found: _usable(found, made_from)
    )
    return _load(entry)


def chip_serial(of: str) -> bytes:
    """Return 16 bytes in the form of a chip number, always the same for a text."""
    return bytes.fromhex("534C4790") + hashlib.sha256(of.encode()).digest()[:12]


# --- between the card and its cache entry --------------------------------------------


def _fingerprint(persona: Persona, applet: str) -> str:
    """Return what the card is made from, so that a change makes it anew."""
    root = _authority(persona, applet).root.certificate
    values = (
        pki.GENERATOR,
        applet,
        root.fingerprint(hashes.SHA256()).hex(),
        repr(sorted(persona.texts(applet).items())),
        repr(sorted(persona.address.items())),
        repr((persona.valid, persona.foreigner, _holders_files(persona))),
        hashlib.sha256(_photo(persona)).hexdigest(),
    )
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


def _dump(card: Personalised) -> cache.Entry:
    entry = {
        ef.name: base64.b64encode(data).decode() for ef, data in card.files.items()
    }
    keys = {
        f"{key.name} key": pki.dump_key(value).decode()
        for key, value in card.keys.items()
    }
    return entry | keys


def _load(entry: cache.Entry) -> Personalised:
    """Read an entry; ValueError or TypeError for a damaged one."""
    files = {
        ef: base64.b64decode(entry[ef.name], validate=True)
        for ef in EF
        if ef.name in entry
    }
    keys = {
        key: pki.load_key(entry[f"{key.name} key"].encode(), checked=False)
        for key in Key
        if f"{key.name} key" in entry
    }
    return Personalised(files, keys)


def _usable(entry: cache.Entry, made_from: str) -> bool:
    if entry.get("made from") != made_from:
        return False
    try:
        return EF.IDENTITY in _load(entry).files
    except (TypeError, ValueError):
        return False


# --- making --------------------------------------------------------------------------


def _make(persona: Persona, applet: str) -> Personalised:
    kind = pki.kind_of(applet)
    authority = _authority(persona, applet)
    issuer = authority.foreigner_ca if persona.foreigner else authority.citizen_ca
    keys = {Key.BASIC: pki.new_key(kind)} if kind == "ec" else {}
    certificates = {
        EF.CA: issuer.certificate,
        EF.ROOT: authority.root.certificate,
        EF.RRN: authority.rrn.certificate,
    }
    for key, ef in _holders_files(persona).items():
        keys[key] = pki.new_key(kind)
        certificates[ef] = _holder(persona, issuer, key, keys[key])
    files = dict.fromkeys(_HOLDER.values(), bytes(_ABSENT[applet]))
    files |= {ef: _stored(ef, one, applet) for ef, one in certificates.items()}
    files[EF.PHOTO] = _photo(persona)
    if Key.BASIC in keys:
        files[EF.BASIC_KEY] = _public(keys[Key.BASIC])
    return Personalised(files | _signed(persona, applet, files, authority), keys)


def _authority(persona: Persona, applet: str) -> pki.Hierarchy:
    """Return who issues certificates for this card and signs its files.

    A re-keyed card of 1.7 keeps its RSA keys under an EC hierarchy (addendum to the
    card content for applet 1.7).
    """
    return pki.hierarchy("ec" if persona.rekeyed else pki.kind_of(applet))


def _holders_files(persona: Persona) -> dict[Key, EF]:
    """Return the keys that the holder has, and the files of their certificates."""
    return {
        key: ef
        for key, ef in _HOLDER.items()
        if persona.certificates
        and (persona.non_repudiation or key != Key.NON_REPUDIATION)
    }


def _signed(
    persona: Persona, applet: str, files: dict[EF, bytes], authority: pki.Hierarchy
) -> dict[EF, bytes]:
    """Write identity and address and sign them as the National Register does.

    The address counts without its trailing zeros, followed by the whole file with the
    identity's signature, its padding included (card content 6.2.5).
    """
    sign = functools.partial(_register_signature, authority.rrn.key)
    identity = tlv.encode(_identity(persona, applet, files))
    address = tlv.encode(_encoded(persona.address))
    identity_signature = sign(identity)
    return {
        EF.IDENTITY: identity,
        EF.IDENTITY_SIGNATURE: identity_signature,
        EF.ADDRESS: address.ljust(_ADDRESS_SIZE, b"\0"),
        EF.ADDRESS_SIGNATURE: sign(address + identity_signature),
    }


def _identity(
    persona: Persona, applet: str, files: dict[EF, bytes]
) -> dict[int, bytes]:
    """Return the identity file's fields in the order of their tags.

    Photo and key are hashed with SHA-384 on 1.8; on 1.7 the photo with SHA-256, as on
    its later cards, whose identity is signed with SHA-256, too; re-keying does not
    touch the identity file. The file structure
    version (tag 00) is left out, although card content 5.4 lists it: no published card
    file begins with it, and programs exist that stop at the first zero byte.
    """
    hashed = hashlib.sha384 if applet == "1.8" else hashlib.sha256
    fields = _encoded(persona.texts(applet))
    fields[0x02] = chip_serial(f"{persona.name} {applet}")
    fields[0x11] = hashed(files[EF.PHOTO]).digest()
    if applet == "1.8":
        fields[0x1A] = hashed(files[EF.BASIC_KEY]).digest()
    return dict(sorted(fields.items()))


def _encoded(texts: Mapping[int, str]) -> dict[int, bytes]:
    return {tag: text.encode() for tag, text in texts.items()}


def _register_signature(key: pki.PrivateKey, data: bytes) -> bytes:
    """Sign with the key of the RRN certificate; the content of a signature file."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), pki.signing_hash(key))
    signature = key.sign(data, ec.ECDSA(pki.signing_hash(key)))
    return signature.ljust(_EC_SIGNATURE_SIZE, b"\0")


def _holder(
    persona: Persona, issuer: pki.Pair, key: Key, private: pki.PrivateKey
) -> x509.Certificate:
    """Issue one of the two certificates, valid as long as the card."""
    authentication = key == Key.AUTHENTICATION
    first, last = persona.valid
    midnight = datetime.time(tzinfo=datetime.UTC)
    return pki.holder_certificate(
        _subject(persona, "Authentication" if authentication else "Signature"),
        private,
        pki.Issuer(issuer.certificate.subject, issuer.key),
        (
            datetime.datetime.combine(first, midnight),
            # The card is good on its last day, too.
            datetime.datetime.combine(last, datetime.time(23, 59, 59), datetime.UTC),
        ),
        authentication=authentication,
    )


def _subject(persona: Persona, purpose: str) -> x509.Name:
    """Return country, name and purpose, surname, given names, national number."""
    first = persona.given_names.split()[0]
    suffix = f" ({purpose})"
    # A common name is at most 64 long (X.520); the library counts bytes.
    name = f"{first} {persona.surname}".encode()[: 64 - len(suffix)]
    common = name.decode(errors="ignore") + suffix
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.SURNAME, persona.surname),
            x509.NameAttribute(NameOID.GIVEN_NAME, persona.given_names),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, persona.national_number),
        ]
    )


def _stored(ef: EF, certificate: x509.Certificate, applet: str) -> bytes:
    """Return a certificate file, padded as cards of the applet pad it."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    if applet == "1.7" and ef in _EXACT_ON_1_7:
        return der
    return der + bytes(_PADDING[applet])


def _public(key: pki.PrivateKey) -> bytes:
    """EF(PuK#1 Basic): a SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _photo(persona: Persona) -> bytes:
    """The picture, which `fixtures/make_photos.py` drew."""
    photos = importlib.resources.files("cardio.virtual") / "photos"
    return (photos / persona.photo).read_bytes()
