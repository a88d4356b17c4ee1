"""Which stores are found: every Firefox, every Chromium, whatever the names."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.trust.nss import NssStore
from agent.trust.stores import Stores
from tests.agent.trust.recorded import RecordedRunner


def found(home: Path, **environment: str) -> list[tuple[str, str]]:
    """Return kind and path below the home of each store found on Linux."""
    stores = Stores(RecordedRunner(), home, environment, "linux").of_user()
    return [(store.name, str(Path(store.path).relative_to(home))) for store in stores]


def profile(folder: Path) -> None:
    """Make a Firefox profile that was used."""
    folder.mkdir(parents=True)
    (folder / "cert9.db").touch()


def test_an_empty_home_has_the_database_that_chromium_would_make(
    tmp_path: Path,
) -> None:
    """So that a browser installed later trusts the agent at its first contact."""
    assert found(tmp_path) == [("chromium", ".local/share/pki/nssdb")]


def test_chromium_reads_the_old_place_alone_where_there_is_one(tmp_path: Path) -> None:
    """`~/.pki/nssdb` wins over XDG_DATA_HOME, which is honoured otherwise."""
    data = str(tmp_path / "data")
    assert found(tmp_path, XDG_DATA_HOME=data) == [("chromium", "data/pki/nssdb")]
    relative = found(tmp_path, XDG_DATA_HOME="data")
    assert relative == [("chromium", ".local/share/pki/nssdb")]
    (tmp_path / ".pki/nssdb").mkdir(parents=True)
    assert found(tmp_path, XDG_DATA_HOME=data) == [("chromium", ".pki/nssdb")]


def test_confined_chromiums_have_homes_of_their_own(tmp_path: Path) -> None:
    """As snap and as Flatpak, each with the same rule."""
    (tmp_path / "snap/chromium/current/.pki/nssdb").mkdir(parents=True)
    (tmp_path / "snap/brave/current").mkdir(parents=True)
    (tmp_path / ".var/app/com.google.Chrome").mkdir(parents=True)
    assert found(tmp_path)[1:] == [
        ("chromium-snap", "snap/chromium/current/.pki/nssdb"),
        ("chromium-snap", "snap/brave/current/.local/share/pki/nssdb"),
        ("chromium-flatpak", ".var/app/com.google.Chrome/data/pki/nssdb"),
    ]


@pytest.mark.parametrize(
    ("kind", "root"),
    [
        ("firefox", ".mozilla/firefox"),
        ("firefox", ".config/mozilla/firefox"),
        ("firefox-snap", "snap/firefox/common/.mozilla/firefox"),
        ("firefox-flatpak", ".var/app/org.mozilla.firefox/.mozilla/firefox"),
        ("firefox-flatpak", ".var/app/org.mozilla.firefox/config/mozilla/firefox"),
    ],
)
def test_every_profile_of_every_firefox_is_found(
    tmp_path: Path, kind: str, root: str
) -> None:
    """By its database or by the list, whatever its name is."""
    profile(tmp_path / root / "Zoë's werk (2)")
    profile(tmp_path / root / "a1b2c3.default-release")
    (tmp_path / root / "listed").mkdir()
    (tmp_path / root / "Crash Reports").mkdir()
    (tmp_path / root / "profiles.ini").write_text(
        "[Profile0]\nName=x\nIsRelative=1\nPath=listed\n"
        "[Profile1]\nName=gone\nIsRelative=1\nPath=vanished\n"
        "[Install1]\nDefault=elsewhere\n"
    )
    assert found(tmp_path)[1:] == [
        (kind, f"{root}/Zoë's werk (2)"),
        (kind, f"{root}/a1b2c3.default-release"),
        (kind, f"{root}/listed"),
    ]


def test_a_profile_elsewhere_is_found_by_the_list(tmp_path: Path) -> None:
    """An absolute path stands for itself; XDG_CONFIG_HOME is honoured."""
    root = tmp_path / "settings/mozilla/firefox"
    (tmp_path / "disk/mine").mkdir(parents=True)
    root.mkdir(parents=True)
    ini = f"[Profile0]\nName=x\nIsRelative=0\nPath={tmp_path}/disk/mine\n"
    (root / "profiles.ini").write_text(ini)
    settings = str(tmp_path / "settings")
    assert found(tmp_path, XDG_CONFIG_HOME=settings)[1:] == [("firefox", "disk/mine")]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no section", b"[Profile0]\n\n"])
def test_a_list_that_cannot_be_read_hides_no_profile(
    tmp_path: Path, content: bytes
) -> None:
    """The folders are still looked at."""
    root = tmp_path / ".mozilla/firefox"
    profile(root / "own")
    (root / "profiles.ini").write_bytes(content)
    assert found(tmp_path)[1:] == [("firefox", ".mozilla/firefox/own")]


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_what_is_written_down_opens_the_same_store(
    tmp_path: Path, platform: str
) -> None:
    """From kind and path alone, also of a store that is not found any more."""
    profile(tmp_path / ".mozilla/firefox/own")
    stores = Stores(RecordedRunner(), tmp_path, {}, platform)
    for store in (*stores.of_user(), *stores.of_machine()):
        again = stores.named(store.name, store.path)
        assert again is not None
        assert (again.name, again.path) == (store.name, store.path)
        assert again.system is store.system
        assert isinstance(again, NssStore) is isinstance(store, NssStore)
    assert stores.named("brave-new-store", "/x") is None
