"""The anchors of p11-kit, which Fedora, Arch and their relatives keep for all programs.

There Firefox reads them, too. Exact commands of p11-kit's `trust`; not run on such a
system yet: Debian's `trust` has no place to write to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent.trust.administrator import run
from agent.trust.runner import Runner
from agent.trust.store import as_file, file_name, pem


def extraction(target: Path) -> list[str]:
    """Return the command that writes every anchor for servers into a file."""
    kind = ["--format=pem-bundle", "--filter=ca-anchors", "--purpose=server-auth"]
    return ["trust", "extract", *kind, "--overwrite", str(target)]


def storing(file: Path) -> list[str]:
    """Return the command that makes the certificate of a file an anchor."""
    return ["trust", "anchor", "--store", str(file)]


def removal(file: Path) -> list[str]:
    """Return the command that takes it out."""
    return ["trust", "anchor", "--remove", str(file)]


@dataclass(frozen=True)
class P11Kit:
    """The anchors of this machine."""

    runner: Runner
    name: str = "p11-kit"
    path: str = "trust anchor"
    system: bool = True

    def there(self) -> bool:
        """It is a program, not a place."""
        return True

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether the CA is an anchor; StoreUnusable."""
        with as_file(b"", "anchors.pem") as target:
            self.runner.run(extraction(target)).check()
            return pem(ca).strip() in target.read_bytes()

    def install(self, ca: x509.Certificate) -> None:
        """Make it an anchor; StoreUnusable."""
        if not self.check(ca):
            self._with_file(ca, storing)

    def remove(self, ca: x509.Certificate) -> None:
        """Take it out; StoreUnusable."""
        if self.check(ca):
            self._with_file(ca, removal)

    def _with_file(
        self, ca: x509.Certificate, command: Callable[[Path], Sequence[str]]
    ) -> None:
        with as_file(pem(ca), file_name(ca, ".pem")) as file:
            run(self.runner, command(file))
