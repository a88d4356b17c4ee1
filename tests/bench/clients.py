"""The two clients on one card: ours and OpenSC; runs programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.counts import Cost
from tests.rig.pcscd import Pcscd
from tests.rig.transcript import RecordedCard

_SILENCE_SECONDS = 0.3

_READ = """\
cd DF01
get 4031 identity
get 4033 address
get 4035 photo
"""


class Bench:
    """A card in a reader and the programs that are measured on it."""

    def __init__(self, pcscd: Pcscd, card: RecordedCard, folder: Path) -> None:
        self.card = card
        self.folder = folder
        settings = folder / "opensc.conf"
        settings.write_text(
            "app default { framework pkcs15 { use_file_caching = no; } }\n",
            encoding="ascii",
        )
        self.environment = {
            **os.environ,
            **pcscd.env,
            "OPENSC_CONF": str(settings),
            "HOME": str(folder),
        }

    def _measure(
        self, words: Sequence[str], *, cwd: Path | None = None, typed: str = ""
    ) -> Cost:
        """Run a program and count what it did to the card."""
        first, began = len(self.card.exchanges), time.perf_counter()
        result = subprocess.run(
            words,
            env=self.environment,
            cwd=cwd,
            input=typed.encode(),
            capture_output=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if result.returncode:
            raise RuntimeError(f"{words[0]}: {result.stderr.decode(errors='replace')}")
        return Cost.of(self.card.exchanges[first:], seconds, self.card.atr)

    def wait_for_silence(self) -> None:
        """Return when the card has not been asked anything for a while."""
        seen = -1
        while seen != len(self.card.exchanges):
            seen = len(self.card.exchanges)
            time.sleep(_SILENCE_SECONDS)

    def our_read(self) -> Cost:
        """Identity, address and photo by `eid-agent card read`."""
        return self._measure([sys.executable, "-m", "agent", "card", "read", "--json"])

    def ours(self, action: str, typed: str = "") -> Cost:
        """One of the other actions of `eid-agent card`."""
        words = [sys.executable, "-m", "agent", "card", action]
        return self._measure(words, typed=typed)

    def opensc_read(self) -> Cost:
        """The same three files by OpenSC's explorer, and they must be the same."""
        script = self.folder / "script"
        script.write_text(_READ, encoding="ascii")
        cost = self._measure(["opensc-explorer", str(script)], cwd=self.folder)
        for name in ("identity", "address", "photo"):
            if not (self.folder / name).stat().st_size:
                raise RuntimeError(f"OpenSC did not read the {name}")
        return cost

    def opensc_login(self) -> Cost:
        """An authentication signature by OpenSC's PKCS#11 module (1.7 only)."""
        message = self.folder / "message"
        message.write_bytes(b"challenge")
        return self._measure(
            [
                "pkcs11-tool", "--login", "--pin", "1234", "--sign", "--id", "02",
                "-m", "SHA256-RSA-PKCS", "--input-file", str(message),
                "--output-file", str(self.folder / "signature"),
            ]
        )  # fmt: skip
