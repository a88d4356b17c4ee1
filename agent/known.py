"""CA, root and RRN certificates seen before; touches one folder of small files.

They belong to nobody in person. What the folder holds is never believed: a certificate
is used only where it made the signature that a card holds (`cardio.beid.known`).
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from agent import host
from cardio.beid.known import ISSUERS, InMemory
from cardio.files import EF

_log = logging.getLogger(__name__)

#: No CA, root or RRN certificate is as long as this.
_MAX_BYTES = 8192
_MAX_FILES = 200
_NAMES = {ef: ef.name.lower() for ef in sorted(ISSUERS, key=lambda ef: ef.fid)}


class KnownOnDisk(InMemory):
    """Remembers across runs in `folder`, as far as that can be written."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        try:
            for path in sorted(folder.glob("*.der"))[:_MAX_FILES]:
                self._load(path)
        except OSError as error:
            _log.info("known certificates: %s", error.strerror)

    def _load(self, path: Path) -> None:
        kinds = [ef for ef, name in _NAMES.items() if path.name.startswith(f"{name}-")]
        data = host.read_private(path)
        if kinds and len(data) <= _MAX_BYTES:
            super().learn(kinds[0], data)

    def learn(self, ef: EF, certificate: bytes) -> None:
        """Remember a certificate, on disk too if it is a new one."""
        new = certificate not in self.of(ef)
        super().learn(ef, certificate)
        if not new or len(certificate) > _MAX_BYTES:
            return
        digest = hashlib.sha256(certificate).hexdigest()[:32]
        try:
            host.make_private_dir(self._folder)
            if sum(1 for _ in self._folder.glob("*.der")) < _MAX_FILES:
                path = self._folder / f"{_NAMES[ef]}-{digest}.der"
                host.write_private(path, certificate)
        except OSError as error:  # reading again is all that it costs
            _log.info("known certificates: %s", error.strerror)
