"""Databases of NSS, with the real certutil on folders of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from agent import certs
from agent.trust import nss
from agent.trust.nss import NssStore
from agent.trust.runner import SystemRunner
from agent.trust.store import StoreUnusable, common_name, pem

pytestmark = pytest.mark.skipif(
    shutil.which("certutil") is None, reason="libnss3-tools is not installed"
)


@pytest.fixture
def ca() -> x509.Certificate:
    """A CA as the agent makes them."""
    return certs.issue().ca


def store(folder: Path, *, can_be_made: bool = True) -> NssStore:
    """The database of a folder."""
    runner = SystemRunner(attended=False)
    return NssStore("chromium", folder, runner, can_be_made=can_be_made)


def by_hand(folder: Path, *words: str, given: bytes = b"") -> str:
    """Run certutil as a person would."""
    command = ["certutil", *words, "-d", f"sql:{folder}"]
    return subprocess.run(
        command, input=given, capture_output=True, check=True
    ).stdout.decode()


def listed(folder: Path) -> list[tuple[str, str]]:
    """Return nickname and trust of what is in a database."""
    return nss.parse_listing(by_hand(folder, "-L"))


def test_a_store_trusts_a_ca_from_install_to_remove(
    tmp_path: Path, ca: x509.Certificate
) -> None:
    """Each verb may be said twice; the database is made, without a password."""
    place = store(tmp_path / "pki" / "nssdb")
    assert not place.check(ca)
    assert not (tmp_path / "pki").exists()  # looking makes nothing
    place.remove(ca)
    for _ in range(2):
        place.install(ca)
        assert place.check(ca)
    assert listed(place.folder) == [(common_name(ca), "C")]
    assert not place.check(certs.issue().ca)
    for _ in range(2):
        place.remove(ca)
        assert not place.check(ca)
    assert listed(place.folder) == []


def test_what_others_put_there_stays(tmp_path: Path, ca: x509.Certificate) -> None:
    """Another CA, and one of a former year of ours, are not touched."""
    place, other = store(tmp_path), certs.issue().ca
    place.install(other)
    place.install(ca)
    place.remove(ca)
    assert place.check(other)


def test_a_ca_that_a_person_imported_is_known_by_any_name(
    tmp_path: Path, ca: x509.Certificate
) -> None:
    """NSS keeps the first nickname, and the certificate can be removed by it."""
    place = store(tmp_path)
    place.install(certs.issue().ca)
    by_hand(tmp_path, "-A", "-n", "my agent", "-t", "CT,,", "-a", given=pem(ca))
    assert place.check(ca)
    place.remove(ca)
    assert not place.check(ca)


def test_a_ca_without_trust_is_given_it(tmp_path: Path, ca: x509.Certificate) -> None:
    """Being in the database is not enough, and `check` says so."""
    place = store(tmp_path)
    place.install(certs.issue().ca)
    by_hand(tmp_path, "-A", "-n", common_name(ca), "-t", ",,", "-a", given=pem(ca))
    assert not place.check(ca)
    place.install(ca)
    assert place.check(ca)


def test_a_profile_with_a_password_is_left_as_it_was(
    tmp_path: Path, ca: x509.Certificate
) -> None:
    """NSS would keep the certificate without trust; nothing waits for a password."""
    (tmp_path / "password").write_text("geheim123\n")
    folder = tmp_path / "profile"
    folder.mkdir()
    by_hand(folder, "-N", "-f", str(tmp_path / "password"))
    place = store(folder, can_be_made=False)
    with pytest.raises(StoreUnusable) as refused:
        place.install(ca)
    assert refused.value.key == "trust-password"
    assert listed(folder) == []


def test_a_damaged_database_is_a_reason(tmp_path: Path, ca: x509.Certificate) -> None:
    """Not an exception of another kind."""
    (tmp_path / "cert9.db").write_bytes(b"no database" * 100)
    for act in (store(tmp_path).check, store(tmp_path).install):
        with pytest.raises(StoreUnusable):
            act(ca)


def test_a_missing_certutil_names_the_package(
    tmp_path: Path, ca: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is said, and nothing is made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreUnusable) as refused:
        store(tmp_path / "nssdb").install(ca)
    assert refused.value.key == "trust-certutil"
