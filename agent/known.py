"""CA, root and RRN certificates seen before; touches one folder of small files.

They belong to nobody in person. Only what a root of Belgium proves is kept there, and
what the folder holds is proven again when it is read.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from agent import host
from agent.relyingparty import roots
from cardio.beid.known import ISSUERS, InMemory
from cardio.card import CardData
from cardio.files import EF

_log = logging.getLogger(__name__)

#: No CA, root or RRN certificate is as long as this.
_MAX_BYTES = 8192
_MAX_FILES = 200
#: The root first: it proves the others.
_NAMES = {ef: ef.name.lower() for ef in (EF.ROOT, *(ISSUERS - {EF.ROOT}))}


class KnownOnDisk(InMemory):
    """Remembers across runs in `folder`, as far as that can be written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(lambda root: roots.is_belgian(root) or roots.is_historic(root))
        self._folder = folder
        files = self._files()
        for ef, name in _NAMES.items():
            for path in files:
                if path.name.startswith(f"{name}-"):
                    self._load(ef, path)

    def _files(self) -> list[Path]:
        """Return the files, the oldest first."""
        try:
            return sorted(
                self._folder.glob("*.der"), key=lambda path: path.lstat().st_mtime
            )
        except OSError as error:
            _log.info("known certificates: %s", error.strerror)
            return []

    def _load(self, ef: EF, path: Path) -> None:
        try:
            data = host.read_private(path)
        except OSError as error:  # this one is read from a card again
            _log.info("a known certificate: %s", error.strerror)
            return
        if len(data) <= _MAX_BYTES:
            self._learn_proven(ef, data)

    def learn(self, ef: EF, certificate: bytes, card: CardData) -> None:
        """Remember a certificate, on disk too if it is a new one and proven."""
        known = self._proven.get(ef, ())
        super().learn(ef, certificate, card)
        proven = certificate in self._proven.get(ef, ())
        if not proven or certificate in known or len(certificate) > _MAX_BYTES:
            return
        digest = hashlib.sha256(certificate).hexdigest()[:32]
        try:
            host.make_private_dir(self._folder)
            for path in self._files()[: 1 - _MAX_FILES]:
                path.unlink(missing_ok=True)
            host.write_private(self._folder / f"{_NAMES[ef]}-{digest}.der", certificate)
        except OSError as error:  # reading again is all that it costs
            _log.info("known certificates: %s", error.strerror)
