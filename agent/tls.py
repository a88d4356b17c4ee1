"""The agent's certificate on disk and its TLS context; touches the data folder.

`tls/` holds ca.pem, leaf.pem and leaf.key, mode 0600 in a 0700 folder. The key is
encrypted PKCS#8; its password lies in a file of its own beside it. That makes a key
file that is copied alone useless, and protects against nothing that can read the whole
folder: Linux has no store that would. (Windows' and macOS' stores are not used yet.)

`tls/next/` holds the pair that follows when the present one ends. It takes its place in
one step, the file `in-use`: from then on `next` counts, whatever else was copied.
"""

from __future__ import annotations

import datetime
import secrets
import shutil
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
        # A resumed session is judged by its old certificate, whose CA may be gone.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let a context show this certificate on new connections."""
        context.load_cert_chain(self.leaf, self.key, password=self.password)

    def ca_certificate(self) -> x509.Certificate:
        """Return the CA; OSError, ValueError."""
        return x509.load_pem_x509_certificate(host.read_private(self.ca))

    def leaf_certificate(self) -> x509.Certificate:
        """Return what is shown on connections; OSError, ValueError."""
        return x509.load_pem_x509_certificate(host.read_private(self.leaf))


_NEXT = "next"
_IN_USE = "in-use"
_FILES = ("password", "ca.pem", "leaf.pem", "leaf.key")
_NOTHING = datetime.timedelta()


def load_or_create(data_dir: Path) -> Files:
    """Return the certificate of this data folder, made anew where none is good.

    One that ends soon stays: browsers trust it (`prepare`). Only for who holds the
    folder's lock (`agent.instance`): the files of two writers would be mixed.
    DataDirUnusable when the folder cannot be written or belongs to somebody else, or a
    file in it is a link or can be read by others.
    """
    folder = data_dir / "tls"
    with _explained(data_dir):
        host.make_data_dir(data_dir)
        host.make_private_dir(folder)
        _settle(folder)
        if (files := _load(folder, _NOTHING)) is not None:
            return files
        if _load(folder / _NEXT, _NOTHING) is not None:  # trusted by then, if any is
            return _switch(folder)
        return store(certs.issue(), folder)[0]


def load(data_dir: Path) -> Files | None:
    """Return the certificate that is there and has not ended; else None.

    Changes nothing. DataDirUnusable as for `load_or_create`.
    """
    folder = data_dir / "tls"
    with _explained(data_dir):
        files = _load(_present(folder), _NOTHING)
        # The agent may have put the next one in its place meanwhile.
        return files or _load(_present(folder), _NOTHING)


def leaf_as_it_is(data_dir: Path) -> x509.Certificate:
    """Return what is shown on connections, whether it is still good or not.

    Changes nothing. OSError, ValueError.
    """
    folder = data_dir / "tls"
    return x509.load_pem_x509_certificate(
        host.read_private(_present(folder) / "leaf.pem")
    )


def following(data_dir: Path) -> Files | None:
    """Return the pair that will follow the present one, if it was made; else None.

    Changes nothing. DataDirUnusable as for `load_or_create`.
    """
    folder = data_dir / "tls"
    with _explained(data_dir):
        in_use = _present(folder) != folder
        return None if in_use else _load(folder / _NEXT, certs.RENEW_BEFORE)


def prepare(data_dir: Path) -> Files | None:
    """Return the pair that is to follow, made now if it is time; None until then.

    For who holds the lock, as `load_or_create`; DataDirUnusable.
    """
    folder = data_dir / "tls"
    with _explained(data_dir):
        _settle(folder)
        if _load(folder, certs.RENEW_BEFORE) is not None:
            return None
        made = _load(folder / _NEXT, certs.RENEW_BEFORE)
        if made is None:
            if (folder / _NEXT).exists():  # half made, or damaged
                shutil.rmtree(folder / _NEXT)
            host.make_private_dir(folder / _NEXT)
            made = store(certs.issue(), folder / _NEXT)[0]
        return made


def switch(data_dir: Path) -> Files:
    """Put the pair that `prepare` returned in the place of the present one, at once.

    For who holds the lock, as `load_or_create`; DataDirUnusable.
    """
    with _explained(data_dir):
        return _switch(data_dir / "tls")


def _switch(folder: Path) -> Files:
    host.write_private(folder / _NEXT / _IN_USE, b"")
    _settle(folder)
    files = _load(folder, _NOTHING)
    if files is None:
        raise OSError(f"{folder}: the next certificate cannot be used")
    return files


def _settle(folder: Path) -> None:
    """Finish a switch that was begun; do away with a pair that nobody waits for."""
    following = folder / _NEXT
    if _present(folder) == following:
        for name in _FILES:
            host.write_private(folder / name, host.read_private(following / name))
        (following / _IN_USE).unlink()
    if following.is_dir() and _load(folder, certs.RENEW_BEFORE) is not None:
        shutil.rmtree(following)


def _present(folder: Path) -> Path:
    """Return where the files are that count."""
    following = folder / _NEXT
    begun = (following / _IN_USE).exists() and _load(following, _NOTHING) is not None
    return following if begun else folder


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
