"""The two commands of the README, without installing anything."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "installer" / "bootstrap.py"

posix = pytest.mark.skipif(sys.platform == "win32", reason="apt is Debian's")


@pytest.fixture
def bootstrap() -> ModuleType:
    """The script as a module, not yet run."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; each program in it logs how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, *, prints: str = "", status: int = 0) -> None:
    """Put a program into the folder that prints, logs its arguments and exits."""
    path = folder / name
    log = shlex.quote(str(folder.parent / "log"))
    path.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> {log}\n"
        f"printf '%s\\n' '{prints}'\nexit {status}\n",
        encoding="ascii",
    )
    path.chmod(0o755)


def calls(folder: Path) -> list[str]:
    """Return the commands that were called, in order (arguments may hold newlines)."""
    names = {path.name for path in folder.iterdir()}
    lines = (folder.parent / "log").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition(" ")[0] in names]


@pytest.mark.parametrize("words", [[], ["dmeo"], ["--demo"]])
def test_anything_but_the_two_commands_is_wrong_usage(words: list[str]) -> None:
    """Exit 2, the wrong word and the usage on stderr."""
    result = subprocess.run(
        [sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "bootstrap.py demo" in result.stderr
    assert all(f"there is no command {word};" in result.stderr for word in words)
    assert result.stdout == ""


def test_help_is_no_failure() -> None:
    """Exit 0 and the usage on stdout."""
    result = subprocess.run(
        [sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "bootstrap.py test" in result.stdout


def test_an_old_python_can_read_the_script_far_enough_to_say_so() -> None:
    """The syntax is that of 3.8, whatever the functions use."""
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_an_old_python_is_told_what_is_needed(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence with the version, exit 1."""
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert bootstrap.main(["demo"]) == 1
    assert "3.11" in capsys.readouterr().err


def test_it_needs_the_standard_library_alone() -> None:
    """A fresh machine has nothing else."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= sys.stdlib_module_names | {"__future__"}


@posix
def test_missing_packages_are_installed_as_root(
    bootstrap: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """apt-get update once, then exactly the packages that are missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(programs, "dpkg-query", prints="gcc installed")
    program(programs, "apt-get")
    program(programs, "env")
    bootstrap.need_packages(["gcc", "pcscd"])
    asked, update, install = calls(programs)
    assert asked.startswith("dpkg-query")
    assert update == "apt-get update"
    assert install.endswith("--no-install-recommends pcscd")


@posix
def test_nothing_is_called_when_nothing_is_missing(
    bootstrap: ModuleType, programs: Path
) -> None:
    """The second run does not touch apt."""
    program(programs, "dpkg-query", prints="gcc installed")
    bootstrap.need_packages(["gcc"])
    assert len(calls(programs)) == 1


@posix
@pytest.mark.parametrize(
    ("sudo", "line"),
    [
        (
            False,
            "\n  su - -c 'apt-get update && "
            "apt-get install --yes --no-install-recommends pcscd'",
        ),
        (
            True,
            "\n  sudo apt-get update && "
            "sudo apt-get install --yes --no-install-recommends pcscd",
        ),
    ],
)
def test_without_root_it_prints_the_exact_command(
    bootstrap: ModuleType,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    sudo: bool,
    line: str,
) -> None:
    """A person can copy the line: with sudo, which cannot ask here, or without it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    program(programs, "dpkg-query")
    if sudo:
        program(programs, "sudo", status=1)
    with pytest.raises(bootstrap.SetupError) as caught:
        bootstrap.need_packages(["pcscd"])
    assert str(caught.value).endswith(line)


@pytest.fixture
def own_service(
    bootstrap: ModuleType,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A machine without systemd whose PC/SC service would listen at this path."""
    monkeypatch.delenv("PCSCLITE_CSOCK_NAME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap, "SYSTEMD", tmp_path / "no systemd")
    monkeypatch.setattr(bootstrap, "PCSCD_SOCKET", tmp_path / "pcscd.comm")
    (programs / "kill").symlink_to("/bin/kill")
    return tmp_path / "pcscd.comm"


@posix
@pytest.mark.usefixtures("own_service")
def test_a_pcscd_that_ends_at_once_is_what_the_person_reads(
    bootstrap: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that something else failed on the way out; nothing is killed any more."""
    program(programs, "pcscd", status=1)
    (programs / "kill").unlink()
    program(programs, "kill")
    with pytest.raises(bootstrap.SetupError, match="pcscd does not start"):  # noqa: SIM117
        with bootstrap.pcscd():
            pytest.fail("there is no service")
    assert calls(programs) == ["pcscd --foreground"]


@posix
def test_a_pcscd_of_the_demos_own_ends_with_it(
    bootstrap: ModuleType, programs: Path, own_service: Path
) -> None:
    """It answers while the block runs, and is gone afterwards."""
    (programs / "pcscd").write_text(
        f"#!{sys.executable}\n"
        "import socket\n"
        "service = socket.socket(socket.AF_UNIX)\n"
        f"service.bind({str(own_service)!r})\n"
        "service.listen()\n"
        "while True: service.accept()\n",
        encoding="utf-8",
    )
    (programs / "pcscd").chmod(0o755)
    with bootstrap.pcscd():
        assert bootstrap._answers(own_service)
    assert not bootstrap._answers(own_service)


@posix
def test_a_pcscd_that_runs_is_left_alone(
    bootstrap: ModuleType, programs: Path, own_service: Path
) -> None:
    """Nothing is started and nothing is ended."""
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(own_service))
        service.listen()
        with bootstrap.pcscd():
            pass
        assert bootstrap._answers(own_service)
    assert not (programs.parent / "log").exists()


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([], "chromium and firefox-esr"),
        (["chromium"], "in firefox-esr;"),
        (["chromium", "firefox-esr"], None),
    ],
)
def test_tests_without_a_browser_are_said_aloud(
    bootstrap: ModuleType,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: list[str],
    said: str | None,
) -> None:
    """Where a browser is no Debian package its tests skip; green must not hide it."""
    steps = ("packages", "venv", "python_packages", "npm_packages")
    for name in ("checks", *(f"need_{step}" for step in steps)):
        monkeypatch.setattr(bootstrap, name, lambda *_: [])
    for name in there:
        program(programs, name)
    assert bootstrap.test([]) == 0
    errors = capsys.readouterr().err
    assert ("nothing was tested" in errors) is (said is not None)
    assert (said or "") in errors


@posix
@pytest.mark.parametrize("there", [False, True])
def test_npm_is_debians_only_where_there_is_none(
    bootstrap: ModuleType,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: bool,
) -> None:
    """Node.js from elsewhere brings its own, beside which Debian's cannot be."""
    wanted: list[str] = []
    monkeypatch.setattr(bootstrap, "need_packages", wanted.extend)
    for name in ("need_venv", "need_python_packages", "need_npm_packages", "checks"):
        monkeypatch.setattr(bootstrap, name, lambda *_: [])
    if there:
        program(programs, "npm")
    assert bootstrap.test([]) == 0
    assert ("npm" in wanted) is not there


@posix
def test_npm_packages_are_installed_once_for_each_lock(
    bootstrap: ModuleType,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The second run calls no npm; a changed lock does again."""
    monkeypatch.setattr(bootstrap, "NPM_FOLDER", tmp_path)
    program(programs, "npm")
    lock = tmp_path / "package-lock.json"
    (tmp_path / "node_modules").mkdir()
    for content, count in (("{}", 1), ("{}", 1), ("{ }", 2)):
        lock.write_text(content)
        bootstrap.need_npm_packages()
        assert len(calls(programs)) == count
    assert "ci --ignore-scripts" in calls(programs)[0]


@posix
def test_a_failing_apt_stops_everything(
    bootstrap: ModuleType, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the program; what apt said stands above it."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(programs, "dpkg-query")
    program(programs, "apt-get", status=100)
    with pytest.raises(bootstrap.SetupError, match="100"):
        bootstrap.need_packages(["pcscd"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], False),
        (["--no-browser"], False),
        (["--card", "virtual"], False),
        (["--card", "pcsc"], True),
        (["--card=pcsc", "--no-browser"], True),
        (["--persona", "pcsc"], False),
    ],
)
def test_only_the_real_service_needs_its_packages(
    bootstrap: ModuleType, words: list[str], wanted: bool
) -> None:
    """`demo` alone needs neither pcscd nor a compiler."""
    assert bootstrap.uses_pcsc(words) is wanted


def test_the_demo_locks_need_no_compiler(bootstrap: ModuleType) -> None:
    """pyscard, which has no wheel for Linux, is only in the card's lock."""
    for name in bootstrap.DEMO_LOCKS:
        text = (bootstrap.LOCKS / name).read_text(encoding="utf-8")
        assert "pyscard==" not in text
    assert "pyscard==" in (bootstrap.LOCKS / "card.txt").read_text(encoding="utf-8")


def test_every_check_runs_and_the_tests_come_last(bootstrap: ModuleType) -> None:
    """CI reads pytest's summary in the last line; a person's arguments win."""
    commands = bootstrap.checks(["-k", "pin", "-n0"])
    assert commands[-1] == ["pytest", *bootstrap.SIDE_BY_SIDE, "-k", "pin", "-n0"]
    assert [command[0] for command in commands[:-1]] == [
        "ruff",
        "ruff",
        "mypy",
        "mypy",
        "mypy",
        "lint-imports",
    ]
    platforms = {command[2] for command in commands if command[0] == "mypy"}
    assert platforms == {"linux", "win32", "darwin"}


def test_the_first_check_that_fails_ends_the_test(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is named, and those that run may keep what they compiled."""
    done: list[str] = []

    def hand_over(command: list[str], cwd: Path) -> int:
        assert cwd == ROOT
        assert "PYTHONDONTWRITEBYTECODE" not in os.environ
        done.append(Path(command[0]).stem)
        return int(done[-1] == "mypy")

    packages = ("need_packages", "need_python_packages", "need_npm_packages")
    for name in (*packages, "need_venv"):
        monkeypatch.setattr(bootstrap, name, lambda *_: None)
    monkeypatch.setattr(bootstrap, "hand_over", hand_over)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert bootstrap.main(["test"]) == 1
    assert done == ["ruff", "ruff", "mypy"]
    assert "FAILED: mypy --platform linux (exit 1)" in capsys.readouterr().err


@posix
def test_ending_the_script_ends_the_program() -> None:
    """SIGTERM reaches the program, and its exit code is the script's."""
    program_code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    script = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "import bootstrap\n"
        f"sys.exit(bootstrap.hand_over([sys.executable, '-c', {program_code!r}]))\n"
    )
    command = [sys.executable, "-B", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(timeout=10) == 7


@pytest.mark.parametrize("command", ["card", "demo"])
def test_a_real_reader_gets_its_library(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """`card list` sets up what the program asks for when it cannot find pyscard."""
    done: list[object] = []
    for name in ("need_packages", "need_venv", "need_python_packages", "hand_over"):
        monkeypatch.setattr(bootstrap, name, lambda *given: done.extend(given) or 0)
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", "a service runs")
    more = ["list"] if command == "card" else ["--card", "pcsc"]
    assert bootstrap.main([command, *more]) == 0
    assert bootstrap.CARD_LOCKS in done
    assert done[-1][1:] == [command, *more]  # type: ignore[index]


def test_ctrl_c_during_the_set_up_is_one_sentence(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 130, as a shell has it, and no traceback."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "need_venv", interrupted)
    assert bootstrap.main(["demo"]) == 130
    said = capsys.readouterr().err
    assert said == "bootstrap: interrupted; the same command goes on from here\n"


def test_ci_calls_the_readmes_command() -> None:
    """There is one way to run everything."""
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -eu" in text
    assert "python3 installer/bootstrap.py test" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK) or sys.platform == "win32"
