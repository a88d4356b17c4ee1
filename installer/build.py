"""Build packages: `python -m installer.build deb`, on the Debian it is for, or older.

PyInstaller freezes the program out of an environment of its own, with the locked
packages alone; `installer/debian` has what stands around it. The project's interpreter
runs this; it writes below `build/` and `dist/`. dpkg-dev and binutils are needed.
`exe`, on Windows, and `pkg`, on macOS, make the packages there; not yet run.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

if not __package__:  # as a file, `python installer/build.py`
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from installer import bootstrap, exe, pkg
from installer.publish import DIST, made_at, output, project

ROOT = bootstrap.ROOT
PARTS = ROOT / "installer" / "debian"
WORK = ROOT / "build" / "package"
LOCKS = ("build.txt", "demo.txt", "card.txt", "package.txt")
PROGRAM = Path("usr/lib/eid-agent")
#: Debian's own, built as Debian builds; others look for libraries in their homes.
SYSTEM_PYTHON = Path("/usr/bin/python3")
MAINTAINER = "eid-agent maintainers <maintainers@eid-agent.invalid>"

#: What Qt opens while it runs, so that no file names it (its part for X11).
XCB = ("libegl1", "libxcb-cursor0", "libxkbcommon-x11-0")

#: Where the files of `installer/debian` go, and with which mode.
FILES: Mapping[str, tuple[str, int]] = {
    "copyright": ("usr/share/doc/eid-agent/copyright", 0o644),
    "eid-agent-autostart.desktop": ("etc/xdg/autostart/eid-agent.desktop", 0o644),
    "eid-agent.desktop": ("usr/share/applications/eid-agent.desktop", 0o644),
    "eid-agent.metainfo.xml": (
        "usr/share/metainfo/eid-agent.metainfo.xml",
        0o644,
    ),
    "eid-agent.service": ("usr/lib/systemd/user/eid-agent.service", 0o644),
    "eid-agent.svg": ("usr/share/icons/hicolor/scalable/apps/eid-agent.svg", 0o644),
    "lintian-overrides": ("usr/share/lintian/overrides/eid-agent", 0o644),
    "start": ("usr/lib/eid-agent/start", 0o755),
}
SCRIPTS = ("postinst", "postrm", "prerm")

USAGE = "usage: python -m installer.build deb|exe|pkg\n"


# --- the program ---------------------------------------------------------------------


def environment() -> Path:
    """Return the interpreter of an environment with the locked packages alone."""
    folder = WORK / "env"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    locks = b"".join((bootstrap.LOCKS / lock).read_bytes() for lock in LOCKS)
    base = SYSTEM_PYTHON if sys.platform == "linux" else Path(sys.executable)
    told = output(base, "-VV")
    state = hashlib.sha256(told.encode() + locks).hexdigest()
    stamp = folder / "stamp"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != state:
        shutil.rmtree(folder, ignore_errors=True)
        # pip may keep a pyscard that another Python built, with its paths in it.
        os.environ["PIP_NO_CACHE_DIR"] = "1"
        bootstrap.run([base, "-m", "venv", folder])
        bootstrap.install_locked(python, LOCKS)
        stamp.write_text(state, encoding="utf-8")
    return python


def freeze(python: Path) -> Path:
    """Return the folder with the frozen program."""
    frozen = WORK / "frozen"
    bootstrap.run(
        [
            *(python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
            *("--workpath", WORK / "pyinstaller", "--distpath", frozen),
            ROOT / "installer" / "frozen" / "eid-agent.spec",
        ]
    )
    return frozen / "eid-agent"


# --- the Debian package --------------------------------------------------------------


def deb() -> Path:
    """Build the package for this machine's kind; return its file."""
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "strip"):
        if shutil.which(tool) is None:
            raise bootstrap.SetupError(
                f"{tool} is missing: install dpkg-dev and binutils"
            )
    python = environment()
    tree = WORK / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(freeze(python), tree / PROGRAM, symlinks=True)
    tidy(tree / PROGRAM)
    for name, (place, mode) in FILES.items():
        put(tree / place, (PARTS / name).read_bytes(), mode)
    link = tree / "usr/bin/eid-agent"
    link.parent.mkdir(parents=True)
    link.symlink_to("../lib/eid-agent/eid-agent")
    describe(python, tree)
    control(tree)
    return pack(tree)


def tidy(program: Path) -> None:
    """Give files the modes that Debian expects; take out what debuggers alone use."""
    stripped = []
    for path in [path for path in program.rglob("*") if not path.is_symlink()]:
        binary = path.is_file() and is_elf(path)
        runs = path.is_dir() or path == program / "eid-agent"
        path.chmod(0o755 if runs else 0o644)
        # The wheels' own libraries were moved by their builders, and stay as they are.
        if binary and re.search(r"/libpython|/lib-dynload/|/smartcard/", str(path)):
            stripped.append(path)
    bootstrap.run(["strip", "--strip-unneeded", *stripped])


def is_elf(path: Path) -> bool:
    """Tell whether a file is a program or library of Linux."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def put(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file of the package."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def packed(text: bytes) -> bytes:
    """Return a text as Debian wants documentation: gzip, without a time."""
    return gzip.compress(text, 9, mtime=0)


def describe(python: Path, tree: Path) -> None:
    """Write changelogs, licence, man page and completions."""
    from agent import cli

    share = tree / "usr/share"
    documents = share / "doc/eid-agent"
    put(documents / "LICENSE.gz", packed((ROOT / "LICENSE").read_bytes()))
    put(documents / "changelog.gz", packed((ROOT / "CHANGELOG.md").read_bytes()))
    put(documents / "changelog.Debian.gz", packed(changelog().encode()))
    put(
        share / "man/man1/eid-agent.1.gz",
        packed(manual([*helps(cli.parser())]).encode()),
    )
    for shell, place in (
        ("bash", "bash-completion/completions/eid-agent"),
        ("zsh", "zsh/vendor-completions/_eid-agent"),
    ):
        words = (f"--shell={shell}", "agent.cli.parser")
        put(share / place, output(python, "-m", "shtab", *words).encode())


def manual(commands: Sequence[tuple[str, str]]) -> str:
    """Return the man page: what `--help` says of each command."""
    lines = [
        f'.TH EID-AGENT 1 "" "eid-agent {project()["version"]}" "User Commands"',
        ".SH NAME",
        "eid-agent \\- lets web pages use the Belgian identity card",
        ".SH SYNOPSIS",
        ".B eid-agent",
        "COMMAND [options]",
        ".SH COMMANDS",
    ]
    for name, told in commands:
        lines += [f".SS {name}", ".nf", *map(as_roff, told.splitlines()), ".fi"]
    return "\n".join(lines) + "\n"


def as_roff(line: str) -> str:
    """Return a line that roff prints as it is."""
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


def helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield the name of each command, and what its `--help` says."""
    groups = [
        action.choices
        for action in parser._actions
        if isinstance(action.choices, Mapping)
    ]
    for commands in groups:
        for command in commands.values():
            yield from helps(command)
    if not groups:
        yield parser.prog, parser.format_help()


def changelog() -> str:
    """Return Debian's changelog: what changed stands in the program's own."""
    date = subprocess.check_output(
        ["date", "--utc", "--rfc-email", f"--date=@{made_at()}"], text=True
    ).strip()
    return (
        f"eid-agent ({project()['version']}) unstable; urgency=medium\n\n"
        "  * See changelog.gz.\n\n"
        f" -- {MAINTAINER}  {date}\n"
    )


def control(tree: Path) -> None:
    """Write what dpkg has to know."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    folder = tree / "DEBIAN"
    folder.mkdir()  # by it dpkg-shlibdeps finds the root of the package
    sizes = sum(path.lstat().st_size // 1024 + 1 for path in files)
    filled = (
        (PARTS / "control.in")
        .read_text(encoding="utf-8")
        .format(
            version=project()["version"],
            architecture=output("dpkg", "--print-architecture").strip(),
            maintainer=MAINTAINER,
            size=sizes,
            libraries=libraries(tree),
            xcb=", ".join(XCB),
        )
    )
    put(folder / "control", filled.encode())
    configured = [f"/{place}\n" for place, _ in FILES.values() if place[:4] == "etc/"]
    put(folder / "conffiles", "".join(configured).encode())
    put(folder / "md5sums", "".join(sums(tree, files)).encode())
    for name in SCRIPTS:
        if (PARTS / name).is_file():
            put(folder / name, (PARTS / name).read_bytes(), 0o755)


def sums(tree: Path, files: Sequence[Path]) -> Iterator[str]:
    """Yield the lines by which `dpkg --verify` knows the files."""
    for path in files:
        place = path.relative_to(tree)
        if not path.is_symlink() and place.parts[0] != "etc":
            digest = hashlib.md5(path.read_bytes(), usedforsecurity=False)
            yield f"{digest.hexdigest()}  {place}\n"


def libraries(tree: Path) -> str:
    """Return the Debian packages with the libraries that the program is linked to."""
    program = tree / PROGRAM
    elves = [
        path
        for path in program.rglob("*")
        if path.is_file() and not path.is_symlink() and is_elf(path)
    ]
    stub = WORK / "shlibdeps"
    put(
        stub / "debian/control",
        b"Source: eid-agent\n\nPackage: eid-agent\nArchitecture: any\n",
    )
    folders = sorted({f"-l{path.parent}" for path in elves if ".so" in path.name})
    done = subprocess.run(
        [
            *("dpkg-shlibdeps", "-O", "--warnings=0"),
            "--ignore-missing-info",  # of the program's own libraries
            *folders,
            *map(str, elves),
        ],
        cwd=stub,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not done.stdout.startswith("shlibs:Depends="):
        raise bootstrap.SetupError(f"dpkg-shlibdeps: {done.stderr.strip()}")
    return done.stdout.strip().removeprefix("shlibs:Depends=")


def pack(tree: Path) -> Path:
    """Return the package, built from its tree."""
    DIST.mkdir(exist_ok=True)
    bootstrap.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, DIST],
        SOURCE_DATE_EPOCH=made_at(),
    )
    (built,) = DIST.glob(f"eid-agent_{project()['version']}_*.deb")
    return built


# --- the packages of the other systems -----------------------------------------------


def windows() -> list[Path]:
    """Build the installers for Windows, for a person and for a machine."""
    program = freeze(environment())
    return [
        exe.make(program, mode, str(project()["version"]), DIST)[0]
        for mode in exe.MODES
    ]


def macos() -> list[Path]:
    """Build the package for macOS."""
    return [
        pkg.make(freeze(environment()), str(project()["version"]), WORK / "pkg", DIST)
    ]


#: What is built on which system.
KINDS: Mapping[str, tuple[str, Callable[[], list[Path]]]] = {
    "deb": ("Linux", lambda: [deb()]),
    "exe": ("Windows", windows),
    "pkg": ("Darwin", macos),
}


def main(arguments: Sequence[str]) -> int:
    """Build what is named; 2 for anything else, 1 when something is in the way."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        print(USAGE, end="", file=sys.stderr)
        return 2
    system, build = KINDS[arguments[0]]
    if platform.system() != system:
        bootstrap.say(f"{arguments[0]}: this package is built on {system}")
        return 1
    os.environ["COLUMNS"] = "80"  # as wide as the help in the man page is
    try:
        for built in build():
            print(f"{built} ({built.stat().st_size / 1e6:.1f} MB)")
    except bootstrap.SetupError as error:
        bootstrap.say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
