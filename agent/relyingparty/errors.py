"""Every reason to refuse, as a type with a stable code; imports nothing of the project.

RelyingPartyError
├── ChallengeError         ChallengeNotFound, ChallengeExpired, ChallengeMalformed,
│                          ChallengeStoreUnavailable
├── TokenError             TokenSizeRefused, TokenMalformed, FormatUnsupported,
│                          CertificateMissing, AlgorithmRefused, AlgorithmMismatch,
│                          SignatureMalformed, SignatureInvalid, NationalNumberMissing
├── CertificateError       CertificateMalformed, PurposeMissing, PurposeRefused,
│   │                      CertificateNotYetValid, CertificateExpired,
│   │                      CertificateSignatureInvalid, ChainInvalid, ChainMarkedTest,
│   │                      HistoricRefused, RootUnknown
│   └── IssuerError        IssuerUnknown, IssuerMalformed, IssuerRefused, IssuerNotCa,
│                          IssuerNotYetValid, IssuerExpired, IssuerSignatureInvalid
├── RevocationError        RevocationUnavailable, RevocationStale, RevocationUnknown,
│                          CertificateRevoked
└── DataError              ResponseMalformed, DataMissing, DataMalformed,
    │                      NotRrnCertificate, RrnIssuerRefused,
    │                      IdentitySignatureInvalid, AddressSignatureInvalid,
    │                      PhotoWithoutIdentity, PhotoMismatch
    ├── PersonError        PersonMismatch, PersonUnproven
    └── ChipError          ChipMissing, ChipMalformed, ChipKeyMismatch,
                           ChipSignatureInvalid

Messages are for logs and developers: they hold no personal data and no text that came
from outside. What a visitor reads is the portal's, chosen by `code`.
"""

from __future__ import annotations

from typing import ClassVar


class RelyingPartyError(Exception):
    """Base of all refusals; `code` never changes once published."""

    code: ClassVar[str] = "refused"
    sentence: ClassVar[str] = "The proof was refused"

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.sentence}: {detail}" if detail else self.sentence)


# --- challenges ----------------------------------------------------------------------


class ChallengeError(RelyingPartyError):
    """Base: there is no usable challenge."""


class ChallengeNotFound(ChallengeError):
    """No challenge was issued to this session, or it was taken before."""

    code = "challenge-not-found"
    sentence = "No challenge is waiting for this session"


class ChallengeExpired(ChallengeError):
    """The challenge is older than its time to live."""

    code = "challenge-expired"
    sentence = "The challenge is too old"


class ChallengeMalformed(ChallengeError):
    """What was passed as the nonce cannot have been issued by a challenge store."""

    code = "challenge-malformed"
    sentence = "A nonce has 44 to 128 visible ASCII characters"


class ChallengeStoreUnavailable(ChallengeError):
    """The store that the portal's servers share gives no answer."""

    code = "challenge-store-unavailable"
    sentence = "The store of challenges cannot be reached"


# --- tokens --------------------------------------------------------------------------


class TokenError(RelyingPartyError):
    """Base: the authentication token itself is wrong."""


class TokenSizeRefused(TokenError):
    """The token has fewer than 100 or more than 10 000 characters."""

    code = "token-size"
    sentence = "The token is too short or too long"


class TokenMalformed(TokenError):
    """The token is no JSON object with texts where texts belong."""

    code = "token-malformed"
    sentence = "The token is not a JSON object of the known form"


class FormatUnsupported(TokenError):
    """`format` is not of the family web-eid:1."""

    code = "token-format"
    sentence = "The token's format is not web-eid:1"


class CertificateMissing(TokenError):
    """`unverifiedCertificate` is absent or empty."""

    code = "certificate-missing"
    sentence = "The token carries no certificate"


class AlgorithmRefused(TokenError):
    """`algorithm` is none of the nine names that Web eID knows."""

    code = "algorithm-refused"
    sentence = "The token's signature algorithm is not accepted"


class AlgorithmMismatch(TokenError):
    """`algorithm` does not fit the key in the certificate."""

    code = "algorithm-mismatch"
    sentence = "The token's signature algorithm does not fit the key"


class SignatureMalformed(TokenError):
    """`signature` is no base64, or has not the length of its kind (ECDSA: r||s)."""

    code = "signature-malformed"
    sentence = "The token's signature does not have the form of its algorithm"


class SignatureInvalid(TokenError):
    """Another key, another origin, another nonce, or a changed signature."""

    code = "signature-invalid"
    sentence = "The token was not signed for this origin and this challenge"


class NationalNumberMissing(TokenError):
    """The certificate's subject holds no national number of 11 digits."""

    code = "national-number-missing"
    sentence = "The certificate names no national number"


# --- certificates --------------------------------------------------------------------


class CertificateError(RelyingPartyError):
    """Base: the certificate or its chain is not to be believed."""


class CertificateMalformed(CertificateError):
    """Bytes that are no X.509 certificate."""

    code = "certificate-malformed"
    sentence = "The certificate cannot be read"


class PurposeMissing(CertificateError):
    """The certificate has no key usage extension."""

    code = "purpose-missing"
    sentence = "The certificate does not say what its key is for"


class PurposeRefused(CertificateError):
    """The key is for something else, such as document signatures."""

    code = "purpose-refused"
    sentence = "The certificate's key is not meant for logging in"


class CertificateNotYetValid(CertificateError):
    """The certificate's validity has not begun."""

    code = "certificate-not-yet-valid"
    sentence = "The certificate is not valid yet"


class CertificateExpired(CertificateError):
    """The certificate's validity is over."""

    code = "certificate-expired"
    sentence = "The certificate has expired"


class CertificateSignatureInvalid(CertificateError):
    """The named issuer did not sign this certificate."""

    code = "certificate-signature-invalid"
    sentence = "The certificate was not signed by the issuer that it names"


class ChainInvalid(CertificateError):
    """The path breaks a rule of RFC 5280 (path length, constraints, algorithms)."""

    code = "chain-invalid"
    sentence = "The certificate's chain is not valid"


class ChainMarkedTest(CertificateError):
    """A name in the chain says TEST, and `allow_test` is off."""

    code = "test-chain"
    sentence = "The card is a test card"


class HistoricRefused(CertificateError):
    """SHA-1, an RSA key below 2048 bits, or a root from before Belgium Root CA3."""

    code = "historic"
    sentence = "The proof rests on cryptography that is no longer accepted"


class RootUnknown(CertificateError):
    """The chain may be in order, but ends at a root that is not trusted here."""

    code = "unknown-root"
    sentence = "The chain does not lead to a trusted root"


class IssuerError(CertificateError):
    """Base: the issuing CA is unknown or not acceptable."""


class IssuerUnknown(IssuerError):
    """Neither an anchor nor a given certificate is the issuer."""

    code = "issuer-unknown"
    sentence = "The issuer of the certificate is not known"


class IssuerMalformed(IssuerError):
    """`issuerCertificate` is needed and cannot be read."""

    code = "issuer-malformed"
    sentence = "The issuer's certificate cannot be read"


class IssuerRefused(IssuerError):
    """The issuer is no Citizen CA or Foreigner CA, or is the root itself."""

    code = "issuer-refused"
    sentence = "The issuer is neither a Citizen CA nor a Foreigner CA"


class IssuerNotCa(IssuerError):
    """The issuer's certificate does not allow it to issue certificates."""

    code = "issuer-not-ca"
    sentence = "The issuer is not allowed to issue certificates"


class IssuerNotYetValid(IssuerError):
    """The issuing CA's validity has not begun."""

    code = "issuer-not-yet-valid"
    sentence = "The issuer's certificate is not valid yet"


class IssuerExpired(IssuerError):
    """The issuing CA's validity is over."""

    code = "issuer-expired"
    sentence = "The issuer's certificate has expired"


class IssuerSignatureInvalid(IssuerError):
    """The trusted root that it names did not sign the issuing CA."""

    code = "issuer-signature-invalid"
    sentence = "The issuer's certificate was not signed by the root that it names"


# --- revocation ----------------------------------------------------------------------


class RevocationError(RelyingPartyError):
    """Base: it is not certain that the certificate still holds."""


class RevocationUnavailable(RevocationError):
    """Whether the certificate was revoked could not be found out."""

    code = "revocation-unavailable"
    sentence = "Whether the certificate was revoked is not known"


class RevocationStale(RevocationError):
    """The only answers to be had are older than they may be; or our clock is wrong."""

    code = "revocation-stale"
    sentence = "What is known of the certificate's revocation is too old"


class RevocationUnknown(RevocationError):
    """The responder does not know the certificate: its CA may never have issued it."""

    code = "revocation-unknown"
    sentence = "The revocation service does not know the certificate"


class CertificateRevoked(RevocationError):
    """The certificate was revoked or suspended."""

    code = "certificate-revoked"
    sentence = "The certificate was revoked"


# --- identity data -------------------------------------------------------------------


class DataError(RelyingPartyError):
    """Base: the identity data prove nothing."""


class ResponseMalformed(DataError):
    """The answer is not of the form eid-agent-identity:1, or a file is too large."""

    code = "response-malformed"
    sentence = "The answer is not of the form eid-agent-identity:1"


class DataMissing(DataError):
    """A file is missing without which nothing can be proven."""

    code = "data-missing"
    sentence = "A file that the proof needs is missing"


class DataMalformed(DataError):
    """A file that was signed does not have the documented form."""

    code = "data-malformed"
    sentence = "A file does not have the form of its kind"


class NotRrnCertificate(DataError):
    """The certificate is not one with which the National Register signs."""

    code = "not-rrn"
    sentence = "The certificate does not belong to the National Register"


class RrnIssuerRefused(DataError):
    """The certificate was issued by a Citizen, Foreigner or other CA, not by a root."""

    code = "rrn-issuer-refused"
    sentence = "The National Register's certificate must come from the root itself"


class IdentitySignatureInvalid(DataError):
    """The identity file was changed, or signed with another key."""

    code = "identity-signature-invalid"
    sentence = "The identity file is not what the National Register signed"


class AddressSignatureInvalid(DataError):
    """The address was changed, belongs to another card, or has another signer."""

    code = "address-signature-invalid"
    sentence = "The address is not what the National Register signed for this card"


class PhotoWithoutIdentity(DataError):
    """A photo is proven by its hash in the identity file, which is not there."""

    code = "photo-without-identity"
    sentence = "A photo can be proven only together with the identity file"


class PhotoMismatch(DataError):
    """The photo is not the one whose hash stands in the identity file."""

    code = "photo-mismatch"
    sentence = "The photo does not belong to this identity"


class PersonError(DataError):
    """Base: it is not shown that the data belong to the person who logged in."""


class PersonMismatch(PersonError):
    """Genuine data of somebody else."""

    code = "person-mismatch"
    sentence = "The data belong to another person than the one who logged in"


class PersonUnproven(PersonError):
    """A person is expected, and the answer has no identity file that names one."""

    code = "person-unproven"
    sentence = "Without the identity file nothing shows whose address this is"


class ChipError(DataError):
    """Base: it is not shown that the genuine chip answered."""


class ChipMissing(ChipError):
    """The chip can prove itself, or must, and the answer has no such proof."""

    code = "chip-missing"
    sentence = "The answer lacks the chip's proof"


class ChipMalformed(ChipError):
    """`chip` is not of the form eid-agent-chip:1."""

    code = "chip-malformed"
    sentence = "The chip's proof is not of the form eid-agent-chip:1"


class ChipKeyMismatch(ChipError):
    """The key is not the one whose hash stands in the identity file."""

    code = "chip-key-mismatch"
    sentence = "The chip's key does not belong to this identity"


class ChipSignatureInvalid(ChipError):
    """Another key, another origin, another challenge, or a changed signature."""

    code = "chip-signature-invalid"
    sentence = "The chip did not answer this challenge"
