"""The installers for Windows, made on Linux over a folder that stands in.

What makensis reports is what the installer does; it is not run, for that wants Windows.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from installer.frozen import start

from agent.commands.menu import start_command
from agent.host import _autostart_windows
from agent.texts import LANGUAGES
from installer import exe

SCRIPT = exe.SCRIPT.read_text(encoding="utf-8")
STARTER = '"$INSTDIR\\program\\eid-agent-start.exe"'
#: Whose Start menu and registry; and what the installer has to be allowed.
HIVES = {"user": "current", "machine": "all"}
RIGHTS = {"user": "asInvoker", "machine": "requireAdministrator"}


@pytest.fixture(scope="module", params=exe.MODES)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, str]:
    """Return a mode, its installer, and makensis' report."""
    if shutil.which("makensis") is None:
        pytest.skip("makensis is missing (Debian package nsis)")
    program = tmp_path_factory.mktemp("stand-in-program")
    (program / "_internal").mkdir()
    for name in ("eid-agent.exe", "eid-agent-start.exe", "_internal/stand-in.dll"):
        (program / name).write_bytes(b"stands in")
    folder = tmp_path_factory.mktemp("made")
    made, report = exe.make(program, request.param, "1.2.3", folder)
    return request.param, made, report


def _section(report: str, name: str) -> str:
    """Return what the report says of one section."""
    begin = report.index(f'Section: "{name}"')
    return report[begin : report.index("SectionEnd", begin)]


def test_an_installer_has_the_whole_program(built: tuple[str, Path, str]) -> None:
    """Each file, in its folder; one for each mode, with the rights that it needs."""
    mode, made, report = built
    assert made.name == f"eid-agent-1.2.3-{mode}.exe"
    for name in ("eid-agent.exe", "eid-agent-start.exe", "stand-in.dll"):
        assert f'File: "{name}"' in report
    level = re.findall(rb'requestedExecutionLevel level="(\w+)"', made.read_bytes())
    assert level == [RIGHTS[mode].encode()]
    assert f"SetShellVarContext: {HIVES[mode]}" in report


def test_the_installer_speaks_the_four_languages(
    built: tuple[str, Path, str],
) -> None:
    """Each of its own sentences is there in Dutch, French, German and English."""
    for name in re.findall(r'LangString: "(\w+)"', built[2]):
        codes = re.findall(rf'LangString: "{name}" (\d+)', built[2])
        assert sorted(codes) == ["1031", "1033", "1036", "1043"]


def test_a_link_hands_nothing_to_the_program_on_windows(
    built: tuple[str, Path, str],
) -> None:
    """SAFETY 21: no placeholder in the command; the starter looks at no argument."""
    written = _section(built[2], "-install")
    place = r"Software\\Classes\\eid-agent\\shell\\open\\command"
    (opened,) = re.findall(rf"WriteRegStr: SHCTX\\{place}\\=(.*)", written)
    assert opened == STARTER
    assert r"Software\Classes\eid-agent\URL Protocol=" in written
    assert not re.search(r"%[1-9*LlVv]", SCRIPT)


def test_everything_that_is_put_in_the_registry_is_taken_out(
    built: tuple[str, Path, str],
) -> None:
    """Keys and values of the installation, and the shortcut."""
    mode, _, report = built
    put, taken = _section(report, "-install"), _section(report, "Uninstall")
    keys = set(re.findall(r"WriteReg\w+: SHCTX\\(.*?)\\[^\\=]*=", put))
    gone = set(re.findall(r"DeleteRegKey: SHCTX\\(\S+)", taken))
    values = set(re.findall(r"DeleteRegValue: SHCTX\\(\S+)", taken))
    assert any(key.endswith(r"Uninstall\eid-agent") for key in keys)
    for key in keys:
        inside = any(key == one or key.startswith(f"{one}\\") for one in gone)
        assert inside or rf"{key}\eid-agent" in values
    assert 'CreateShortcut: "$SMPROGRAMS\\eID agent.lnk"' in put
    assert 'Delete: "$SMPROGRAMS\\eID agent.lnk"' in taken
    policy = 'Delete: "$APPDATA\\eid-agent\\policy.json"' in taken
    assert policy == (mode == "machine")


def test_the_uninstaller_ends_agent_and_trust_before_it_deletes(
    built: tuple[str, Path, str],
) -> None:
    """Afterwards nobody is left to do it; and no foreign folder is emptied."""
    taken = _section(built[2], "Uninstall")
    quits = taken.index('eid-agent.exe" quit\n')
    distrusts = taken.index('eid-agent.exe" trust remove\n')
    assert quits < distrusts < taken.index("RMDir: ")
    emptied = re.findall(r'RMDir: /r (?:/REBOOTOK )?"(.*)"', taken)
    assert emptied == ["$LOCALAPPDATA\\eid-agent", "$INSTDIR\\program"]


def test_the_start_with_the_session_is_the_trays_own_value() -> None:
    """So that the person who switches it off there has switched it off."""
    key = SCRIPT.partition('!define RUN "')[2].partition('"')[0]
    assert _autostart_windows.ASK[2:] == (rf"HKCU\{key}", "/v", "eid-agent")
    assert 'WriteRegStr SHCTX "${RUN}" "eid-agent"' in SCRIPT


def test_the_tray_starts_the_program_without_a_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package has put one beside; and with no option of this run."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "eid-agent.exe"))
    assert start_command()[0][-1] == "run"
    (tmp_path / "eid-agent-start.exe").write_bytes(b"stands in")
    assert start_command() == ([str(tmp_path / "eid-agent-start.exe")], tmp_path)


def test_the_starter_takes_a_language_and_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no language of ours is nothing."""
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setattr("sys.argv", ["start", "eid-agent:--developer"])
    program = tmp_path / "program"
    assert start.command(program)[1:] == ["run", "--install-trust"]
    assert tuple(LANGUAGES) == start.LANGUAGES
    assert "LC_ALL" not in start.environment(program)
    for told, kept in (("fr", "fr"), ("fr\n", "fr"), ("--x", None), ("é", None)):
        (tmp_path / "language.txt").write_text(told, encoding="utf-8")
        assert start.environment(program).get("LC_ALL") == kept
