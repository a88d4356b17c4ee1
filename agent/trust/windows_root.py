"""The root certificates of Windows, of the user or of the machine; runs certutil.exe.

Exact commands; not run there yet. Chromium's family, and Firefox since 120, read both.
For the user's own Windows asks the person in a dialog at every addition and removal.
The machine's wants an administrator's command prompt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.trust.runner import Result, Runner
from agent.trust.store import as_file, file_name, pem


def command(system: bool, *words: str) -> list[str]:
    """Return a command line of Windows' certutil; NSS has one of the same name."""
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return [
        rf"{root}\System32\certutil.exe",
        *([] if system else ["-user"]),
        *words,
    ]


def thumbprint(ca: x509.Certificate) -> str:
    """Return how Windows names a certificate: SHA-1 in hex."""
    return ca.fingerprint(hashes.SHA1()).hex()  # noqa: S303


@dataclass(frozen=True)
class WindowsRoot:
    """CurrentUser\\Root, or LocalMachine\\Root where `system`."""

    runner: Runner
    system: bool

    @property
    def name(self) -> str:
        """Whose it is."""
        return "windows-machine" if self.system else "windows-user"

    @property
    def path(self) -> str:
        """The store as Windows writes it."""
        return r"LocalMachine\Root" if self.system else r"CurrentUser\Root"

    def there(self) -> bool:
        """It always is."""
        return True

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether the CA is there; the user's store shows the machine's, too."""
        return self._run("-store", "Root", thumbprint(ca)).code == 0

    def install(self, ca: x509.Certificate) -> None:
        """Add it; StoreUnusable, also when the person says no."""
        if self.check(ca):
            return
        with as_file(pem(ca), file_name(ca, ".crt")) as file:
            self._run("-addstore", "Root", str(file)).check()

    def remove(self, ca: x509.Certificate) -> None:
        """Delete it; StoreUnusable."""
        if self.check(ca):
            self._run("-delstore", "Root", thumbprint(ca)).check()

    def _run(self, *words: str) -> Result:
        return self.runner.run(command(self.system, *words), as_root=self.system)
