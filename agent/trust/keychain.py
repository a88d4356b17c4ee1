"""The keychains of macOS, the user's or the system's; runs `security`.

Exact commands (manual page security(1)); not run there yet. macOS asks for the user's
or an administrator's password in a dialog at each change of trust. Safari, Chromium's
family, and Firefox since 120, read both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.trust.runner import Runner
from agent.trust.store import as_file, file_name, pem

SECURITY = "/usr/bin/security"
SYSTEM = Path("/Library/Keychains/System.keychain")


def login(home: Path) -> Path:
    """Return the keychain of a user."""
    return home / "Library" / "Keychains" / "login.keychain-db"


def verification(file: Path) -> list[str]:
    """Return the command that tells whether the CA of a file is trusted for TLS."""
    return [SECURITY, "verify-cert", "-c", str(file), "-p", "ssl", "-l", "-L", "-q"]


def trusting(file: Path, keychain: Path, *, system: bool) -> list[str]:
    """Return the command that adds the CA of a file and trusts it for TLS alone."""
    domain = ["-d"] if system else []
    kind = ["-r", "trustRoot", "-p", "ssl"]
    where = ["-k", str(keychain)]
    return [SECURITY, "add-trusted-cert", *domain, *kind, *where, str(file)]


def distrusting(file: Path, *, system: bool) -> list[str]:
    """Return the command that takes the trust away."""
    domain = ["-d"] if system else []
    return [SECURITY, "remove-trusted-cert", *domain, str(file)]


def finding(keychain: Path) -> list[str]:
    """Return the command that lists SHA-256 and SHA-1 of every certificate."""
    return [SECURITY, "find-certificate", "-a", "-Z", str(keychain)]


def deletion(ca: x509.Certificate, keychain: Path) -> list[str]:
    """Return the command that deletes the certificate."""
    return [SECURITY, "delete-certificate", "-Z", sha1(ca), str(keychain)]


def sha1(ca: x509.Certificate) -> str:
    """Return how a keychain names a certificate: SHA-1 in capital hex."""
    return ca.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303


@dataclass(frozen=True)
class Keychain:
    """One keychain; its trust settings are the user's, or the system's."""

    file: Path
    runner: Runner
    system: bool

    @property
    def name(self) -> str:
        """Whose it is."""
        return "macos-system" if self.system else "macos-login"

    @property
    def path(self) -> str:
        """The keychain's file."""
        return str(self.file)

    def there(self) -> bool:
        """It always is."""
        return True

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether macOS trusts the CA for TLS, wherever that is said."""
        with as_file(pem(ca), file_name(ca, ".pem")) as file:
            return self.runner.run(verification(file)).code == 0

    def install(self, ca: x509.Certificate) -> None:
        """Add and trust it; StoreUnusable, also when the person says no."""
        if self.check(ca):
            return
        with as_file(pem(ca), file_name(ca, ".pem")) as file:
            self._change(trusting(file, self.file, system=self.system))

    def remove(self, ca: x509.Certificate) -> None:
        """Take trust and certificate away; StoreUnusable."""
        listed = self.runner.run(finding(self.file)).output.decode("utf-8", "replace")
        if sha1(ca) not in listed.upper():
            return
        with as_file(pem(ca), file_name(ca, ".pem")) as file:
            self._change(distrusting(file, system=self.system))
        self._change(deletion(ca, self.file))

    def _change(self, words: Sequence[str]) -> None:
        self.runner.run(words, as_root=self.system).check()
