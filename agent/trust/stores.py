"""Which trust stores this machine has; looks at folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.trust import chromium, firefox
from agent.trust.ca_certificates import BUNDLE, FOLDER, UPDATE, CaCertificates
from agent.trust.firefox_policy import FOLDER as POLICIES
from agent.trust.firefox_policy import FirefoxPolicy
from agent.trust.keychain import SYSTEM, Keychain, login
from agent.trust.nss import NssStore
from agent.trust.p11_kit import P11Kit
from agent.trust.runner import Runner
from agent.trust.store import Store
from agent.trust.windows_root import WindowsRoot


@dataclass(frozen=True)
class Stores:
    """The stores of one user on one machine."""

    runner: Runner
    home: Path
    environment: Mapping[str, str]
    platform: str

    def of_user(self) -> list[Store]:
        """Return the user's own, as they are found now."""
        if self.platform == "win32":
            return [WindowsRoot(self.runner, system=False)]
        if self.platform == "darwin":
            return [Keychain(login(self.home), self.runner, system=False)]
        data = self._xdg("XDG_DATA_HOME", ".local/share")
        config = self._xdg("XDG_CONFIG_HOME", ".config")
        return [
            *chromium.stores(self.home, data, self.runner),
            *firefox.stores(self.home, config, self.runner),
        ]

    def of_machine(self) -> list[Store]:
        """Return those that count for every user."""
        if self.platform == "win32":
            return [WindowsRoot(self.runner, system=True)]
        if self.platform == "darwin":
            return [Keychain(SYSTEM, self.runner, system=True)]
        debian = FOLDER.is_dir() and UPDATE.is_file()
        anchors = (
            CaCertificates(FOLDER, BUNDLE, self.runner)
            if debian
            else P11Kit(self.runner)
        )
        return [FirefoxPolicy(POLICIES, self.runner), anchors]

    def named(self, name: str, path: str) -> Store | None:
        """Return the store that was written down so; None for an unknown kind."""
        kinds: dict[str, Callable[[], Store]] = {
            "windows-user": lambda: WindowsRoot(self.runner, system=False),
            "windows-machine": lambda: WindowsRoot(self.runner, system=True),
            "macos-login": lambda: Keychain(Path(path), self.runner, system=False),
            "macos-system": lambda: Keychain(Path(path), self.runner, system=True),
            "firefox-policy": lambda: FirefoxPolicy(Path(path).parent, self.runner),
            "ca-certificates": lambda: CaCertificates(Path(path), BUNDLE, self.runner),
            "p11-kit": lambda: P11Kit(self.runner),
        }
        if name in kinds:
            return kinds[name]()
        if name.startswith(("chromium", "firefox")):
            return NssStore(name, Path(path), self.runner)
        return None

    def _xdg(self, name: str, default: str) -> Path:
        """Return a folder; a relative one is ignored (XDG Base Directory)."""
        path = Path(self.environment.get(name, ""))
        return path if path.is_absolute() else self.home / default


def here(runner: Runner) -> Stores:
    """Return the stores of this user and machine."""
    return Stores(runner, Path.home(), os.environ, sys.platform)
