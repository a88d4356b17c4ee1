"""The cache of test keys: private, whole, shared by processes, never in the way."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cardio.files import EF
from cardio.virtual import cache, pki
from cardio.virtual.profile import load_profile

PRINT_ROOTS = (
    "from cryptography.hazmat.primitives import hashes;"
    "from cardio.virtual.pki import test_roots;"
    "print(*(one.fingerprint(hashes.SHA256()).hex() for one in test_roots()))"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache to a folder that does not exist yet."""
    monkeypatch.setenv("EID_AGENT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_memory", {})
    return tmp_path / "cache" / "virtual-card"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process knows, as a new process would."""
    monkeypatch.setattr(cache, "_memory", {})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_only_the_user_can_read(folder: Path) -> None:
    """Folder 0700, files 0600; an older, open folder is closed."""
    folder.mkdir(parents=True, mode=0o755)
    load_profile("adult")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_card_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process finds the same card and makes nothing."""
    first = load_profile("adult")
    forget(monkeypatch)
    monkeypatch.setattr(pki, "new_key", None)
    second = load_profile("adult")
    assert second.files == first.files
    assert not list(folder.glob(".new-*"))


def test_processes_that_start_at_once_agree(folder: Path) -> None:
    """Whoever is first makes the PKI; all trust the same roots."""
    command = [sys.executable, "-c", PRINT_ROOTS]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    printed = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(printed) == 1
    assert len(printed.pop().split()) == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"generator": 1}', b"\xff", b'{"generator": "1"}'],
)
def test_a_damaged_pki_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    """Whatever stands in the file, there are roots, and the file is good again."""
    before = pki.hierarchy("ec").root.certificate
    (folder / "pki-ec.json").write_bytes(damage)
    forget(monkeypatch)
    after = pki.hierarchy("ec").root.certificate
    assert after != before
    forget(monkeypatch)
    assert pki.hierarchy("ec").root.certificate == after


def test_a_damaged_card_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card's file that lost its keys is replaced."""
    load_profile("adult")
    path = folder / "adult-1.8.json"
    path.write_bytes(path.read_bytes().replace(b"PRIVATE KEY", b"NOTHING"))
    forget(monkeypatch)
    assert len(load_profile("adult").keys) == 3


def test_a_new_generator_makes_all_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older version of the program made is replaced, cards included."""
    old = load_profile("adult")
    monkeypatch.setattr(pki, "GENERATOR", "another")
    forget(monkeypatch)
    new = load_profile("adult")
    for ef in (EF.ROOT, EF.CA, EF.AUTHENTICATION, EF.IDENTITY_SIGNATURE):
        assert new.files[ef] != old.files[ef]
    assert new.chip_serial == old.chip_serial
    assert {path.name for path in folder.glob("*.json")} == {
        "pki-ec.json",
        "adult-1.8.json",
    }


def test_a_pki_near_its_end_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hierarchy that a new card would outlive is replaced, and the card with it."""
    old = load_profile("adult")
    monkeypatch.setattr(pki, "_LIFETIME", pki._LIFETIME * 2)
    monkeypatch.setattr(pki, "_RESERVE", pki._LIFETIME * 0.8)
    forget(monkeypatch)
    assert load_profile("adult").files != old.files


def test_without_a_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing can be written the cards last for this run, with a warning."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EID_AGENT_CACHE_DIR", str(tmp_path / "file"))
    forget(monkeypatch)
    with caplog.at_level(logging.WARNING):
        roots = pki.test_roots()
    assert "not kept" in caplog.text
    assert roots == pki.test_roots()
    assert load_profile("adult").files == load_profile("adult").files


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable first, else the platform's place; never the working folder."""
    monkeypatch.setenv("EID_AGENT_CACHE_DIR", str(tmp_path))
    assert cache.folder() == tmp_path / "virtual-card"
    monkeypatch.delenv("EID_AGENT_CACHE_DIR")
    for platform, variable in (("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv(variable, str(tmp_path / platform))
        assert cache.folder() == tmp_path / platform / "eid-agent" / "virtual-card"
        monkeypatch.delenv(variable)
        assert cache.folder().is_relative_to(Path.home())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder().is_relative_to(Path.home() / "Library" / "Caches")


def test_the_roots_are_two_and_say_test() -> None:
    """RSA and P-384, and the four CAs under them."""
    roots, issuers = pki.test_roots(), pki.test_issuers()
    assert len(roots) == 2
    assert len(issuers) == 4
    for one in (*roots, *issuers):
        assert "CN=TEST " in one.subject.rfc4514_string()
    for issuer in issuers:
        assert any(issuer.issuer == root.subject for root in roots)
