"""The localhost CA: its constraints, its lifetime, and a real TLS handshake."""

from __future__ import annotations

import contextlib
import datetime
import gc
import ipaddress
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import certs, host, tls


def test_the_ca_can_speak_for_this_machine_alone() -> None:
    """Critical name constraints for both forms; at most 825 days; pathlen 0."""
    issued = certs.issue(leaves=2)
    names = issued.ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert names.value.excluded_subtrees is None
    assert {str(name.value) for name in names.value.permitted_subtrees or ()} == {
        "localhost",
        "127.0.0.1/32",
        "::1/128",
    }
    basic = issued.ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.path_length) == (True, 0)
    for certificate in (issued.ca, *(leaf.certificate for leaf in issued.leaves)):
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert life <= datetime.timedelta(days=825)
    first, second = (leaf.certificate.public_key() for leaf in issued.leaves)
    assert first != second


def test_the_key_of_the_ca_is_nowhere(tmp_path: Path) -> None:
    """No object of the process is the key that signed the leaves, and no file holds it.

    The leaf's own key is found both ways, so that the search itself is seen to work.
    """
    issued = certs.issue()
    ca_key, leaf_key = issued.ca.public_key(), issued.leaves[0].key
    assert leaf_key.public_key() != ca_key
    gc.collect()
    kept = {
        id(value): value
        for holder in gc.get_objects()
        for value in gc.get_referents(holder)
        if type(value) is type(leaf_key)
    }
    assert leaf_key in kept.values()
    assert ca_key not in [key.public_key() for key in kept.values()]

    [files] = tls.store(issued, _private(tmp_path))
    stored = []
    for file in files.ca.parent.iterdir():
        for password in (None, files.password):
            with contextlib.suppress(ValueError, TypeError):
                key = serialization.load_pem_private_key(file.read_bytes(), password)
                stored.append(key.public_key())
    assert stored == [leaf_key.public_key()]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Shake hands over a socket pair; return the TLS version, or raise."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as tunnel:
                tunnel.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as tunnel:
            return str(tunnel.version())
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_ca_shakes_hands(name: str, tmp_path: Path) -> None:
    """OpenSSL accepts the chain for each of the three names, and for no other."""
    files = tls.load_or_create(tmp_path)
    client = ssl.create_default_context(cafile=str(files.ca))
    assert handshake(files.context(), client, name) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(files.context(), client, "portal.example")
    stranger = ssl.create_default_context()
    with pytest.raises(ssl.SSLError):
        handshake(files.context(), stranger, name)


def test_a_leaf_for_another_name_would_be_refused(tmp_path: Path) -> None:
    """The constraint itself bites: had the CA's key leaked, it could sign no site."""
    key = ec.generate_private_key(ec.SECP256R1())
    period = (
        datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1),
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1),
    )
    ca = certs._ca(key, period)
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        certs._start(certs._name("evil.test"), leaf_key, period)
        .issuer_name(ca.subject)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("evil.test"),
                    x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
                ]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    stored = tls.store(
        certs.Issued(ca, (certs.Leaf(leaf, leaf_key),)), _private(tmp_path)
    )
    client = ssl.create_default_context(cafile=str(stored[0].ca))
    with pytest.raises(ssl.SSLError, match="permitted subtree"):
        handshake(stored[0].context(), client, "evil.test")


def _private(path: Path) -> Path:
    folder = path / "tls"
    host.make_private_dir(folder)
    return folder


@pytest.mark.parametrize("damaged", ["ca.pem", "leaf.pem", "leaf.key", "password"])
def test_a_damaged_certificate_is_made_anew(tmp_path: Path, damaged: str) -> None:
    """Nothing hangs on a broken file: the next start has a working certificate."""
    tls.load_or_create(tmp_path)
    host.write_private(tmp_path / "tls" / damaged, b"damaged")
    again = tls.load_or_create(tmp_path)
    client = ssl.create_default_context(cafile=str(again.ca))
    assert handshake(again.context(), client, "localhost") == "TLSv1.3"


@pytest.mark.parametrize(("days", "stays"), [(750, True), (801, False)])
def test_a_certificate_that_browsers_trust_is_used_to_its_end(
    tmp_path: Path, days: int, stays: bool
) -> None:
    """Only a renewal replaces it earlier, once the next one is trusted."""
    folder = _private(tmp_path)

    def long_ago() -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)

    old = tls.store(certs.issue(now=long_ago), folder)[0].leaf.read_bytes()
    assert (tls.load_or_create(tmp_path).leaf.read_bytes() == old) is stays
