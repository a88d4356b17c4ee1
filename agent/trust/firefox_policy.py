"""Firefox' policies for the whole machine (Linux); reads and, as root, writes /etc.

`Certificates.Install` (Firefox' policy reference) names files that every profile
imports at its next start. What others wrote into `policies.json` stays as it is.
Firefox copies the certificate into the profile and keeps it there when the policy goes:
whoever removes it has to look at the profiles too.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from agent.trust.administrator import copying, deletion, run
from agent.trust.runner import Runner
from agent.trust.store import StoreUnusable, as_file, file_name, pem

FOLDER = Path("/etc/firefox/policies")


def with_file(policies: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the policies with this file among those to install; ValueError."""
    changed = copy.deepcopy(policies)
    inner = changed.setdefault("policies", {})
    install = inner.setdefault("Certificates", {}).setdefault("Install", [])
    if path not in install:
        install.append(path)
    return changed


def without_file(policies: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the policies without this file, and without what is empty then."""
    changed = copy.deepcopy(policies)
    inner = changed["policies"]
    certificates = inner["Certificates"]
    certificates["Install"].remove(path)
    if not certificates["Install"]:
        del certificates["Install"]
    if not certificates:
        del inner["Certificates"]
    return changed if inner or len(changed) > 1 else {}


def installed(policies: dict[str, Any]) -> list[str]:
    """Return the files that are installed; ValueError where the form is another."""
    match policies:
        case {"policies": {"Certificates": {"Install": list(files)}}}:
            return files
        case {"policies": {"Certificates": {"Install": _}}}:
            raise ValueError("Install is no list")
        case {"policies": {"Certificates": value}} if not isinstance(value, dict):
            raise ValueError("Certificates is no object")
        case {"policies": value} if not isinstance(value, dict):
            raise ValueError("policies is no object")
    return []


@dataclass(frozen=True)
class FirefoxPolicy:
    """`policies.json` of the machine."""

    folder: Path
    runner: Runner
    name: str = "firefox-policy"
    system: bool = True

    @property
    def path(self) -> str:
        """The file of the policies."""
        return str(self.folder / "policies.json")

    def there(self) -> bool:
        """It can always be made."""
        return True

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether Firefox is told to install the CA; StoreUnusable."""
        file = self.folder / file_name(ca, ".pem")
        try:
            return str(file) in self._installed() and file.read_bytes() == pem(ca)
        except OSError:
            return False

    def install(self, ca: x509.Certificate) -> None:
        """Put the file there and name it in the policies; StoreUnusable."""
        if self.check(ca):
            return
        self._installed()
        file = self.folder / file_name(ca, ".pem")
        with as_file(pem(ca), file.name) as source:
            run(self.runner, copying(source, file))
        self._write(with_file(self._read(), str(file)))

    def remove(self, ca: x509.Certificate) -> None:
        """Take the file out of the policies, then away; StoreUnusable."""
        file = self.folder / file_name(ca, ".pem")
        if str(file) in self._installed():
            self._write(without_file(self._read(), str(file)))
        if file.exists():
            run(self.runner, deletion(file))

    def _installed(self) -> list[str]:
        try:
            return installed(self._read())
        except ValueError:
            raise StoreUnusable("trust-policy", path=self.path) from None

    def _read(self) -> dict[str, Any]:
        """Return the policies there are; StoreUnusable for what is not JSON."""
        try:
            policies = json.loads(Path(self.path).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise StoreUnusable("trust-policy", path=self.path) from None
        if not isinstance(policies, dict):
            raise StoreUnusable("trust-policy", path=self.path)
        return policies

    def _write(self, policies: dict[str, Any]) -> None:
        if not policies:
            run(self.runner, deletion(Path(self.path)))
            return
        text = json.dumps(policies, indent=2, ensure_ascii=False) + "\n"
        with as_file(text.encode(), "policies.json") as source:
            run(self.runner, copying(source, Path(self.path)))
