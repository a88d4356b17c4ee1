"""Private files and folders: what others could reach is refused, nothing is widened."""

from __future__ import annotations

import grp
import os
import pwd
import runpy
import signal
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

from agent import host


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def open_umask() -> object:
    """Create files as a shell with umask 0 would."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """Folders 0700, files 0600; writing leaves no other file behind."""
    data, tls = tmp_path / "a" / "data", tmp_path / "a" / "data" / "tls"
    host.make_data_dir(data)
    host.make_private_dir(tls)
    host.write_private(tls / "key", b"secret")
    lock = host.lock(data / "lock")
    assert lock is not None
    lock.close()
    assert (_mode(data), _mode(tls)) == (0o700, 0o700)
    assert (_mode(tls / "key"), _mode(data / "lock")) == (0o600, 0o600)
    assert host.read_private(tls / "key") == b"secret"
    assert [path.name for path in tls.iterdir()] == ["key"]


def test_a_data_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """A person may name their home folder; it must not be closed to others by us."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    host.make_data_dir(folder)
    assert _mode(folder) == 0o755


@pytest.mark.parametrize("kind", ["link", "file", "everybody"])
def test_a_data_folder_that_is_not_ours_alone_is_refused(
    tmp_path: Path, kind: str
) -> None:
    """A link, a file, a folder like /tmp."""
    path = tmp_path / "data"
    match kind:
        case "link":
            path.symlink_to(tmp_path)
        case "file":
            path.write_text("")
        case _:
            path.mkdir()
            path.chmod(0o1777)
    with pytest.raises(OSError, match=r"data"):
        host.make_data_dir(path)


def _group(name: str, number: int, *members: str) -> grp.struct_group:
    return grp.struct_group((name, "x", number, list(members)))


@pytest.mark.parametrize(
    ("group", "refused"),
    [
        (("someone",), False),
        (("someone", "someone"), False),
        (("someone", "other"), True),
        (("staff",), True),
        (None, True),
    ],
)
def test_a_folder_that_a_group_can_write_to_must_be_of_one_person(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: tuple[str, ...] | None,
    refused: bool,
) -> None:
    """Debian's private groups (umask 002) will do; one with other people will not.

    The tables of users and groups are made up, since a test cannot add to the real.
    """
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(0o775)
    number = path.stat().st_gid
    user = pwd.struct_passwd(("someone", "x", os.getuid(), number, "", "/", "/bin/sh"))

    def find(wanted: int) -> grp.struct_group:
        if group is None or wanted != number:
            raise KeyError
        return _group(group[0], number, *group[1:])

    monkeypatch.setattr(pwd, "getpwuid", lambda _: user)
    monkeypatch.setattr(grp, "getgrgid", find)
    if refused:
        with pytest.raises(PermissionError, match=r"group .*data"):
            host.make_data_dir(path)
    else:
        host.make_data_dir(path)
    assert _mode(path) == 0o775


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_and_file_are_refused(tmp_path: Path) -> None:
    """Neither root nor anybody else uses what another user prepared."""
    folder, file = tmp_path / "data", tmp_path / "key"
    folder.mkdir()
    host.write_private(file, b"x")
    for path in (folder, file):
        os.chown(path, 65534, 65534)
    for call in (host.make_data_dir, host.make_private_dir):
        with pytest.raises(PermissionError, match="not a folder of yours"):
            call(folder)
    with pytest.raises(PermissionError, match="others"):
        host.read_private(file)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_reach_is_not_read(tmp_path: Path, mode: int) -> None:
    """One bit for group or others is enough."""
    file = tmp_path / "key"
    host.write_private(file, b"secret")
    file.chmod(mode)
    with pytest.raises(PermissionError, match="key can be read by others"):
        host.read_private(file)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A link is not followed, a pipe is not waited for."""
    path = tmp_path / "key"
    host.write_private(tmp_path / "other", b"secret")
    match kind:
        case "link":
            path.symlink_to(tmp_path / "other")
        case "pipe":
            os.mkfifo(path, 0o600)
        case _:
            path.mkdir(mode=0o700)
    with pytest.raises(PermissionError, match=r"key is .*remove it"):
        host.read_private(path)


def test_writing_replaces_a_link_and_leaves_its_target(tmp_path: Path) -> None:
    """What a link points to is never written."""
    target, path = tmp_path / "target", tmp_path / "key"
    target.write_bytes(b"theirs")
    path.symlink_to(target)
    host.write_private(path, b"ours")
    assert (target.read_bytes(), host.read_private(path)) == (b"theirs", b"ours")
    assert not path.is_symlink()


def test_one_holds_a_lock(tmp_path: Path) -> None:
    """A second gets None until the first has closed it; a link is no lock."""
    path = tmp_path / "lock"
    first = host.lock(path)
    assert first is not None
    assert host.lock(path) is None
    first.close()
    second = host.lock(path)
    assert second is not None
    second.close()
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="link"):
        host.lock(tmp_path / "link")


@pytest.mark.parametrize(
    ("base", "expected"),
    [("/data", "/data/eid-agent"), ("data", None), ("", None), (None, None)],
)
def test_the_platforms_place(
    monkeypatch: pytest.MonkeyPatch, base: str | None, expected: str | None
) -> None:
    """XDG_DATA_HOME counts if it is absolute; else ~/.local/share."""
    monkeypatch.setenv("HOME", "/home/someone")
    if base is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", base)
    assert host.data_dir() == Path(expected or "/home/someone/.local/share/eid-agent")


def test_windows_ctrl_break_and_closed_window_count_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read from the module for Windows, with Windows' own names made up.

    Nothing of it runs there yet; what is held back is what this tuple says.
    """
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    for name in ("msvcrt", "winreg"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    windows = runpy.run_path(str(Path(host.__file__).with_name("_windows.py")))
    assert windows["ENDING_SIGNALS"] == (signal.SIGINT, signal.SIGTERM, 21)
