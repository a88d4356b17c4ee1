"""The agent's certificate on disk and its TLS context; touches the data folder.

`tls/` holds ca.pem, leaf.pem and leaf.key, mode 0600 in a 0700 folder. The key is
encrypted PKCS#8; its password lies in a file of its own beside it. That makes a key
file that is copied alone useless, and protects against nothing that can read the whole
folder: Linux has no store that would. (Windows' and macOS' stores are not used yet.)
"""

from __future__ import annotations

import datetime
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from agent import certs, host


class DataDirUnusable(Exception):
    """The data folder cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Files:
    """Where the certificate's files are; `password` decrypts the key."""

    ca: Path
    leaf: Path
    key: Path
    password: bytes

    def context(self) -> ssl.SSLContext:
        """Return a server context: TLS 1.2 and newer, forward secrecy, AEAD only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
        context.load_cert_chain(self.leaf, self.key, password=self.password)
        return context


def load_or_create(data_dir: Path) -> Files:
    """Return the certificate of this data folder, made anew where it has to be.

    Only for who holds the folder's lock (`agent.instance`): the files of two writers
    would be mixed. DataDirUnusable when the folder cannot be written or belongs to
    somebody else, or a file in it is a link or can be read by others.
    """
    folder = data_dir / "tls"
    with _explained(data_dir):
        host.make_data_dir(data_dir)
        host.make_private_dir(folder)
        return _load(folder, certs.RENEW_BEFORE) or store(certs.issue(), folder)[0]


def load(
    data_dir: Path, left: datetime.timedelta = datetime.timedelta()
) -> Files | None:
    """Return the certificate that is there and lasts longer than `left`; else None.

    Changes nothing. DataDirUnusable as for `load_or_create`.
    """
    with _explained(data_dir):
        return _load(data_dir / "tls", left)


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    """Say which folder it was."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataDirUnusable(f"{data_dir}: {reason}") from None


def store(issued: certs.Issued, folder: Path) -> list[Files]:
    """Write a CA and its leaves (`leaf`, then `leaf-2`, …) into a private folder."""
    password = secrets.token_hex(32).encode()
    host.write_private(folder / "password", password)
    host.write_private(folder / "ca.pem", issued.ca_pem())
    stored = []
    for number, leaf in enumerate(issued.leaves, 1):
        name = "leaf" if number == 1 else f"leaf-{number}"
        files = Files(
            folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key", password
        )
        host.write_private(files.leaf, leaf.pem())
        host.write_private(files.key, leaf.key_pem(password))
        stored.append(files)
    return stored


def _load(folder: Path, least: datetime.timedelta) -> Files | None:
    """Return what is there, or None when it is missing, damaged or ends too soon."""
    try:
        password = host.read_private(folder / "password")
        leaf = x509.load_pem_x509_certificate(host.read_private(folder / "leaf.pem"))
        ca = x509.load_pem_x509_certificate(host.read_private(folder / "ca.pem"))
        host.read_private(folder / "leaf.key")
        leaf.verify_directly_issued_by(ca)
        files = Files(
            folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key", password
        )
        files.context()
    except PermissionError:
        raise
    except Exception:  # whatever is damaged is made anew
        return None
    left = leaf.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return files if left > least else None


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a data folder that goes away at the end of the `with` block."""
    return tempfile.TemporaryDirectory(prefix="eid-agent-")
