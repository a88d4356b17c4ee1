"""What every trust store can do, and names and files of a CA; makes temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


class StoreUnusable(Exception):
    """A store cannot be looked at or changed.

    `key` names the sentence in the catalogues that says why, `values` fill it.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class Store(Protocol):
    """One place that browsers read; each verb raises StoreUnusable.

    `name` is the kind of place, for programs; `path` tells it from others of its kind;
    `system` says that it counts for every user of the machine.
    """

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def system(self) -> bool: ...

    def there(self) -> bool:
        """Tell whether the place (still) exists, or can be made."""
        ...

    def check(self, ca: x509.Certificate) -> bool:
        """Tell whether TLS servers of this CA are trusted; changes nothing."""
        ...

    def install(self, ca: x509.Certificate) -> None:
        """Make it trusted; nothing happens where it is already."""
        ...

    def remove(self, ca: x509.Certificate) -> None:
        """Take it out; nothing happens where it is not."""
        ...


def common_name(ca: x509.Certificate) -> str:
    """Return the name by which a store lists the CA; each of ours has its own."""
    [name] = ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def pem(ca: x509.Certificate) -> bytes:
    """Return the certificate as PEM."""
    return ca.public_bytes(Encoding.PEM)


def file_name(ca: x509.Certificate, suffix: str) -> str:
    """Return a file name of its own for the CA."""
    return f"eid-agent-{ca.fingerprint(hashes.SHA256()).hex()[:16]}{suffix}"


@contextmanager
def as_file(data: bytes, name: str) -> Iterator[Path]:
    """Yield a file of this name, for a tool that wants one; it goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="eid-agent-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path
