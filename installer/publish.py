"""Build what is published: `python -m installer.publish [wheel] [npm] [sbom]`.

wheel   the Python package for PyPI, as wheel and as sources, both checked
npm     the JavaScript client for npm
sbom    what the locked packages are, as CycloneDX

All of them where none is named, into `dist/`; nothing is uploaded. The project's
interpreter runs this, with the packages of `test.txt`; npm is Node's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

if not __package__:  # as a file, `python installer/publish.py`
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from installer import bootstrap

ROOT = bootstrap.ROOT
DIST = ROOT / "dist"
#: What a person gets who installs the package with what a card and documents need.
LOCKS = ("demo.txt", "card.txt")
#: What the package has besides, and no lock names (`agent/pdf/fonts/LICENSE`).
FONT = {
    "type": "library",
    "bom-ref": "dejavu-sans",
    "name": "DejaVu Sans",
    "version": "2.37",
    "licenses": [{"license": {"id": "Bitstream-Vera"}}],
}


def output(*command: str | Path, text: str = "", folder: Path = ROOT) -> str:
    """Return what a command writes, given a text; SetupError with what it said."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, "SOURCE_DATE_EPOCH": made_at()},
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    except OSError as error:
        raise bootstrap.SetupError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".strip()
        raise bootstrap.SetupError(f"`{command[0]}` failed: {said}")
    return done.stdout


def tool(module: str, *words: str | Path, text: str = "") -> str:
    """Return what a Python program of the environment writes; SetupError."""
    return output(sys.executable, "-m", module, *words, text=text)


def made_at() -> str:
    """Return the time of the newest commit, in seconds, for every file of a package."""
    named = os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return named or subprocess.check_output(command, text=True).strip()


@contextmanager
def sources() -> Iterator[Path]:
    """Give a copy of what git would take, so that a package has nothing else in it."""
    names = output("git", "ls-files", "-z", "-c", "-o", "--exclude-standard")
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(None, names.split("\0")):
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        yield Path(folder)


def project() -> Mapping[str, str]:
    """Return what the project says of itself."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def wheel(to: Path) -> list[Path]:
    """Build the wheel, and the sources that it can be built from; both are checked."""
    with sources() as folder:
        tool("build", "--no-isolation", "--outdir", to, folder)
    name = f"{project()['name'].replace('-', '_')}-{project()['version']}"
    built = [to / f"{name}-py3-none-any.whl", to / f"{name}.tar.gz"]
    tool("twine", "check", "--strict", *built)
    tool("check_wheel_contents", "--config", ROOT / "pyproject.toml", built[0])
    return built


def npm(to: Path) -> list[Path]:
    """Pack the JavaScript client."""
    words = ("--json", "--ignore-scripts", "--offline", "--pack-destination", to)
    with sources() as folder:
        told = output("npm", "pack", *words, folder=folder / "agent" / "web")
    (packed,) = json.loads(told)
    return [to / packed["filename"]]


def sbom(to: Path) -> list[Path]:
    """List the locked packages, with the hashes that they are held to."""
    locked = "".join((bootstrap.LOCKS / lock).read_text("utf-8") for lock in LOCKS)
    # The whole is held to the schema by its test, which takes seconds.
    words = ("--no-validate", "--output-reproducible", "--sv", "1.6")
    about = ("--pyproject", ROOT / "pyproject.toml")
    listed = json.loads(
        tool("cyclonedx_py", "requirements", *words, *about, "-", text=locked)
    )
    listed["components"].append(FONT)
    listed["dependencies"].append({"ref": FONT["bom-ref"]})
    target = to / f"{project()['name']}-{project()['version']}.cdx.json"
    target.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    return [target]


BUILDERS: Mapping[str, Callable[[Path], list[Path]]] = {
    "wheel": wheel,
    "npm": npm,
    "sbom": sbom,
}


def main(arguments: Sequence[str], to: Path = DIST) -> int:
    """Build what is named; 2 for anything else, 1 when something is in the way."""
    names = list(arguments) or list(BUILDERS)
    if not BUILDERS.keys() >= set(names):
        print(__doc__, file=sys.stderr)
        return 2
    to.mkdir(parents=True, exist_ok=True)
    try:
        for name in names:
            for built in BUILDERS[name](to):
                print(f"{built} ({built.stat().st_size} bytes)")
    except bootstrap.SetupError as error:
        bootstrap.say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
