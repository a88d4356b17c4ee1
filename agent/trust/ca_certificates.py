"""The certificates of the whole machine, as Debian and its relatives keep them.

They serve programs that ask the system (curl, and browsers built on WebKitGTK), and
whatever reads p11-kit: Debian's p11-kit takes this bundle for its own. Neither Chromium
nor Firefox reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent.trust.administrator import copying, deletion, run
from agent.trust.runner import Runner
from agent.trust.store import as_file, file_name, pem

FOLDER = Path("/usr/local/share/ca-certificates")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
#: Not on the PATH of a Debian user.
UPDATE = Path("/usr/sbin/update-ca-certificates")


def update() -> list[str]:
    """Return the command that makes the bundle anew."""
    return [str(UPDATE), "--fresh"]


@dataclass(frozen=True)
class CaCertificates:
    """The folder of local certificates, and the bundle that is made of it."""

    folder: Path
    bundle: Path
    runner: Runner
    name: str = "ca-certificates"
    system: bool = True

    @property
    def path(self) -> str:
        """The folder."""
        return str(self.folder)

    def there(self) -> bool:
        """Tell whether this system has the folder."""
        return self.folder.is_dir()

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether the bundle has the CA."""
        try:
            return pem(ca).strip() in self.bundle.read_bytes()
        except OSError:
            return False

    def install(self, ca: x509.Certificate) -> None:
        """Put it into the folder and make the bundle; StoreUnusable."""
        if self.check(ca):
            return
        name = file_name(ca, ".crt")
        with as_file(pem(ca), name) as source:
            run(self.runner, copying(source, self.folder / name))
        run(self.runner, update())

    def remove(self, ca: x509.Certificate) -> None:
        """Take it out of the folder and make the bundle; StoreUnusable."""
        file = self.folder / file_name(ca, ".crt")
        if file.exists():
            run(self.runner, deletion(file))
            run(self.runner, update())
