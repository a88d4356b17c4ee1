"""The Debian package: what stands around the program, and what freezes it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from installer.frozen import launcher

from agent import cli
from agent.commands.menu import start_command
from agent.pdf import process as pdf
from agent.ui import picture
from agent.ui.process import COMMAND, TRAY_COMMAND
from installer import build

LAUNCHER = Path(launcher.__file__)
DESKTOP_FILES = ("eid-agent.desktop", "eid-agent-autostart.desktop")


def test_a_link_hands_nothing_to_the_program(tmp_path: Path) -> None:
    """SAFETY 21: whatever stands in a link, the program is started and no more."""
    for name in DESKTOP_FILES:
        entry = (build.PARTS / name).read_text(encoding="utf-8")
        assert re.findall("^Exec=(.*)$", entry, re.M) == ["/usr/lib/eid-agent/start"]
    entry = (build.PARTS / "eid-agent.desktop").read_text(encoding="utf-8")
    assert "\nMimeType=x-scheme-handler/eid-agent;\n" in entry
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="ascii")
    program.chmod(0o755)
    start = (build.PARTS / "start").read_text(encoding="utf-8")
    script = tmp_path / "start"
    script.write_text(start.replace("/usr/bin/eid-agent", str(program)))
    for hostile in ("eid-agent:--developer", "--allow-origin=https://a.example", "; x"):
        told = subprocess.run(
            ["sh", script, hostile], capture_output=True, text=True, check=True
        )
        assert told.stdout.splitlines()[0] == "run"
        assert "developer" not in told.stdout
        assert "example" not in told.stdout


def test_every_script_can_be_read_by_sh() -> None:
    """A mistake there would leave a package half removed."""
    for name in ("start", *build.SCRIPTS):
        if (build.PARTS / name).exists():
            subprocess.run(["sh", "-n", build.PARTS / name], check=True)


def test_every_part_of_the_package_is_there_and_has_one_place() -> None:
    """And what stands in /etc is an administrator's to change."""
    named = {*build.FILES, *build.SCRIPTS, "control.in"}
    assert {path.name for path in build.PARTS.iterdir()} <= named
    assert all((build.PARTS / name).is_file() for name in build.FILES)
    places = [place for place, _ in build.FILES.values()]
    assert len(places) == len(set(places))


def test_the_frozen_program_runs_each_process_that_the_program_starts() -> None:
    """What it starts elsewhere as `python -m`, it must find in itself."""
    commands = (COMMAND, TRAY_COMMAND, picture._COMMAND, pdf._COMMAND)
    for words in (*commands, start_command()[0]):
        assert words[words.index("-m") + 1] in launcher.PARTS


def _imported(source: str) -> set[str]:
    """Return all modules that a source imports, with those above them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = (name.split(".") for name in names)
    return {
        ".".join(each[:count]) for each in parts for count in range(1, 1 + len(each))
    }


def test_the_frozen_program_keeps_what_the_program_imports() -> None:
    """Else a command ends with ModuleNotFoundError, in the package alone."""
    spec = (LAUNCHER.parent / "eid-agent.spec").read_text(encoding="utf-8")
    (unused,) = (
        set(ast.literal_eval(node.value))
        for node in ast.parse(spec).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "UNUSED"
    )
    for package in ("agent", "cardio"):
        for path in (build.ROOT / package).rglob("*.py"):
            used = _imported(path.read_text(encoding="utf-8"))
            assert not used & unused, path


def launched(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher as the frozen program runs it."""
    code = f"import runpy, sys; sys.argv[0:1] = []; runpy.run_path({str(LAUNCHER)!r},"
    return subprocess.run(
        [sys.executable, "-c", f"{code} run_name='__main__')", "eid-agent", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=build.ROOT,
        env={**os.environ, **environment},
    )


def test_the_frozen_program_is_the_command_line_and_its_own_parts() -> None:
    """It is no interpreter for anybody else's module."""
    assert launched("--version").stdout.startswith("eid-agent ")
    picture_of_nothing = launched("-P", "-m", "agent.ui.picture")
    assert (picture_of_nothing.returncode, picture_of_nothing.stderr) == (1, "")
    for words in (["-m", "http.server"], ["-P", "-m", "agent.cli"], ["-m"]):
        refused = launched(*words)
        assert refused.returncode == 1
        assert "no part of this program" in refused.stderr


def test_what_the_program_runs_finds_its_own_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The starter's path to our libraries is not handed to certutil or a browser."""
    monkeypatch.setattr(sys, "argv", ["eid-agent", "--version"])
    for before in (None, "/opt/lib"):
        monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/eid-agent/_internal")
        if before is not None:
            monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", before)
        with pytest.raises(SystemExit):
            launcher.main()
        assert os.environ.get("LD_LIBRARY_PATH") == before


def test_the_man_page_has_every_command() -> None:
    """And says what `--help` says."""
    commands = [*build.helps(cli.parser())]
    names = {name for name, _ in commands}
    assert {"eid-agent run", "eid-agent trust remove", "eid-agent demo"} <= names
    page = build.manual(commands)
    assert all(f".SS {name}\n" in page for name in names)
    assert r"\-\-allow\-origin URL" in page


def test_a_line_that_roff_would_obey_is_printed() -> None:
    """Dots and backslashes of a help text are no commands."""
    assert build.as_roff(".so /etc/passwd") == r"\&.so /etc/passwd"
    assert build.as_roff(r"a\b --c") == r"a\eb \-\-c"


@pytest.mark.parametrize("name", ["build.py", "publish.py"])
def test_a_builder_runs_as_a_file_from_anywhere(name: str, tmp_path: Path) -> None:
    """Then it says what it builds."""
    result = subprocess.run(
        [sys.executable, build.ROOT / "installer" / name, "nonsense"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert f"python -m installer.{name[:-3]}" in result.stdout + result.stderr
