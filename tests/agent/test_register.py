"""Each user's file in the folder by which a package's removal finds its users."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from agent.host import register

if sys.platform != "linux":
    pytest.skip("packages of Linux have it", allow_module_level=True)

from agent.host import _register_linux


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in place of the package's, as its postinst makes it."""
    made = tmp_path / "users"
    made.mkdir()
    made.chmod(0o1733)
    monkeypatch.setattr(_register_linux, "FOLDER", made)
    return made


def test_a_data_folder_is_noted_once_in_the_users_own_file(folder: Path) -> None:
    """Named by number, closed to others."""
    assert register.noted() == []
    for name in ("/home/anna/a", "/home/anna/b c", "/home/anna/a"):
        register.note(Path(name))
    assert register.noted() == [Path("/home/anna/a"), Path("/home/anna/b c")]
    [file] = folder.iterdir()
    assert file.name == str(os.getuid())
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_folder_whose_name_would_be_two_lines_is_not_noted(folder: Path) -> None:
    """The second line would name a folder of somebody's choice."""
    register.note(Path("/home/anna/a\n/etc/eid-agent"))
    assert register.noted() == []


def test_without_a_package_nothing_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout leaves nothing outside its data folder."""
    monkeypatch.setattr(_register_linux, "FOLDER", tmp_path / "none")
    register.note(Path("/home/anna/a"))
    assert register.noted() == []
    assert list(tmp_path.iterdir()) == []


def test_what_another_put_in_the_files_place_is_not_used(
    folder: Path, tmp_path: Path
) -> None:
    """A link would have this user write into a file of theirs, or read another's."""
    file = folder / str(os.getuid())
    target = tmp_path / "target"
    target.write_bytes(b"/home/anna/a\n")
    file.symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        register.note(Path("/home/anna/b"))
    with pytest.raises(OSError, match="symbolic"):
        register.noted()
    assert target.read_bytes() == b"/home/anna/a\n"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(PermissionError):
        register.note(Path("/home/anna/b"))


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_another_users_file_is_not_written(folder: Path) -> None:
    """Its owner would be asked about at removal, and could change it."""
    file = folder / str(os.getuid())
    file.touch()
    os.chown(file, 1, 1)
    with pytest.raises(PermissionError):
        register.note(Path("/home/anna/b"))
    assert file.read_bytes() == b""
