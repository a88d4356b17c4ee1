"""A database of NSS, as Chromium and Firefox have it on Linux; runs certutil.

certutil is that of Debian's libnss3-tools. A database with a password is left alone:
NSS would take the certificate and not the trust in it. Every call names an empty
password file, since certutil asks again and again, without end, where it can read none.

What Firefox itself is told (by its settings or a policy) it keeps in a newer form that
certutil up to Debian 12 shows as a certificate without trust; what certutil writes,
Firefox reads (tried: NSS 3.87 and Firefox ESR 153).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent.trust.runner import Result, Runner, ToolMissing
from agent.trust.store import StoreUnusable, common_name, pem

#: A line of `certutil -L`: nickname, then trust for SSL, S/MIME and code.
_LISTED = re.compile(r"^(?P<name>.+?)\s+(?P<ssl>[a-zA-Z]*),[a-zA-Z]*,[a-zA-Z]*\s*$")
_TRUSTED = "C"  # a CA that may issue certificates of servers


def command(database: Path, *words: str) -> list[str]:
    """Return a command line of certutil for a database."""
    return ["certutil", *words, "-d", f"sql:{database}", "-f", "/dev/null"]


def creation(database: Path) -> list[str]:
    """Return the command that makes a database without a password."""
    return command(database, "-N", "--empty-password")


def listing(database: Path) -> list[str]:
    """Return the command that lists nicknames and trust."""
    return command(database, "-L")


def export(database: Path, nickname: str) -> list[str]:
    """Return the command that prints the certificates of a nickname as PEM."""
    return command(database, "-L", "-n", nickname, "-a")


def addition(database: Path, nickname: str) -> list[str]:
    """Return the command that reads a CA as PEM and trusts it for servers."""
    return command(database, "-A", "-n", nickname, "-t", "C,,", "-a")


def deletion(database: Path, nickname: str) -> list[str]:
    """Return the command that takes a certificate out."""
    return command(database, "-D", "-n", nickname)


def parse_listing(output: str) -> list[tuple[str, str]]:
    """Return nickname and trust for SSL of each certificate listed."""
    lines = map(_LISTED.match, output.splitlines())
    return [(line["name"], line["ssl"]) for line in lines if line]


@dataclass(frozen=True)
class NssStore:
    """One database; `name` says whose. Made where it is missing if it `can_be_made`."""

    name: str
    folder: Path
    runner: Runner
    can_be_made: bool = False
    system: bool = False

    @property
    def path(self) -> str:
        """The folder with cert9.db."""
        return str(self.folder)

    def there(self) -> bool:
        """Tell whether the folder exists, or may be made."""
        return self.can_be_made or self.folder.is_dir()

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether the CA is in the database and trusted; StoreUnusable."""
        found = self._find(ca)
        return found is not None and _TRUSTED in found[1]

    def install(self, ca: x509.Certificate) -> None:
        """Put the CA in; StoreUnusable, and then nothing of it stays."""
        if not (self.folder / "cert9.db").exists():
            self._make()
        before = self._find(ca)
        if before is not None and _TRUSTED in before[1]:
            return
        done = self._run(addition(self.folder, common_name(ca)), pem(ca))
        if done.code:
            if before is None:
                self._run(deletion(self.folder, common_name(ca)))
            if "SEC_ERROR_BAD_PASSWORD" in done.errors:
                raise StoreUnusable("trust-password")
            done.check()

    def remove(self, ca: x509.Certificate) -> None:
        """Take the CA out, whatever its nickname; StoreUnusable."""
        found = self._find(ca)
        if found is not None:
            self._run(deletion(self.folder, found[0])).check()

    def _make(self) -> None:
        try:
            if self.can_be_made:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusable("trust-failed", reason=error.strerror) from None
        self._run(creation(self.folder)).check()

    def _find(self, ca: x509.Certificate) -> tuple[str, str] | None:
        """Return nickname and trust of the CA: a person may have named it otherwise."""
        if not (self.folder / "cert9.db").exists():
            return None
        listed = self._run(listing(self.folder))
        listed.check()
        for name, trust in parse_listing(listed.output.decode("utf-8", "replace")):
            # Firefox keeps hundreds of others there, none of them with trust.
            if (name == common_name(ca) or _TRUSTED in trust) and self._is(name, ca):
                return name, trust
        return None

    def _is(self, nickname: str, ca: x509.Certificate) -> bool:
        printed = self._run(export(self.folder, nickname)).output
        try:
            return ca in x509.load_pem_x509_certificates(printed)
        except ValueError:
            return False

    def _run(self, words: Sequence[str], given: bytes = b"") -> Result:
        try:
            return self.runner.run(words, given)
        except ToolMissing:
            raise StoreUnusable("trust-certutil") from None
