"""What is published: built from the sources, checked, and tried."""

from __future__ import annotations

import email
import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from installer import bootstrap, publish

PROJECT = tomllib.loads((publish.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSION = PROJECT["version"]


def _tracked(*folders: str) -> set[str]:
    """Return the files that git knows, without the sources of catalogues."""
    names = publish.output("git", "ls-files", "-z", "-c", "-o", "--exclude-standard")
    return {
        name
        for name in names.split("\0")
        if name.startswith(folders) and not name.endswith((".po", "/LICENSE"))
    }


def test_the_wheel_has_the_program_and_nothing_else(tmp_path: Path) -> None:
    """All that runs, with its licences; and it runs from there."""
    wheel, sources = publish.wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = f"eid_agent-{VERSION}.dist-info"
        told = email.message_from_bytes(archive.read(f"{about}/METADATA"))
    shutil.unpack_archive(wheel, tmp_path / "there", "zip")
    assert {name for name in names if not name.startswith(about)} == _tracked(
        "agent/", "cardio/"
    )
    assert {
        f"{about}/licenses/LICENSE",
        f"{about}/licenses/agent/pdf/fonts/LICENSE",
    } < (names)
    assert told["License-Expression"] == PROJECT["license"]
    assert set(told.get_all("Provides-Extra", [])) == set(
        PROJECT["optional-dependencies"]
    )
    # Its own files alone: the texts, the font, the pictures of the virtual card.
    code = (
        "from agent.pdf.appearance import Appearance; from agent.texts import text;"
        "from cardio.files import EF; from cardio.virtual.profile import load_profile;"
        "import agent; Appearance(['x']); load_profile('adult').files[EF.PHOTO];"
        "print(agent.__file__, text('no-card', 'nl'))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith(str(tmp_path / "there"))
    with tarfile.open(sources) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    catalogues = {name for name in inside if name.endswith(".po")}
    assert len(catalogues) == 4
    assert inside > _tracked("agent/", "cardio/") | {"CHANGELOG.md", "SECURITY.md"}


def test_what_does_not_belong_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder more than the program's own: the check says so."""
    for name in ("agent", "cardio", "stray"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"NAME = {name!r}\n", "utf-8")
    about = (
        f'[project]\nname = "eid-agent"\nversion = "{VERSION}"\nreadme = "README.md"'
    )
    parts = '[tool.setuptools]\npackages = ["agent", "cardio", "stray"]'
    (tmp_path / "pyproject.toml").write_text(f"{about}\n{parts}\n", "utf-8")
    (tmp_path / "README.md").write_text("A README.\n", "utf-8")
    monkeypatch.setattr(publish, "sources", lambda: nullcontext(tmp_path))
    assert publish.main(["wheel"], tmp_path / "dist") == 1
    assert "stray" in capsys.readouterr().err


def test_an_unknown_name_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing is built."""
    assert publish.main(["wheels"], tmp_path) == 2
    assert "[wheel] [npm] [sbom]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_client_can_be_imported_from_its_package(tmp_path: Path) -> None:
    """With its types and its words, in Node."""
    (packed,) = publish.npm(tmp_path)
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert names == {path.name for path in (publish.ROOT / "agent" / "web").iterdir()}
    place = tmp_path / "node_modules" / "eid-agent-client"
    place.parent.mkdir()
    (tmp_path / "unpacked" / "package").rename(place)
    code = (
        "import * as client from 'eid-agent-client';"
        "console.log(['detect', 'status', 'readIdentity', 'signPdf']"
        ".every((name) => typeof client[name] === 'function'));"
    )
    said = publish.output("node", "--input-type=module", "-e", code, folder=tmp_path)
    assert said == "true\n"
    about = json.loads((place / "package.json").read_text("utf-8"))
    assert about["version"] == VERSION


def test_every_locked_package_is_listed_with_its_hashes(tmp_path: Path) -> None:
    """CycloneDX by its own schema; a font is listed, too."""
    (listed,) = publish.sbom(tmp_path)
    text = listed.read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told = json.loads(text)
    assert told["metadata"]["component"]["name"] == "eid-agent"
    found = {part["name"]: part for part in told["components"]}
    assert found.pop("DejaVu Sans")["licenses"]
    locked = set()
    for lock in publish.LOCKS:
        for line in (bootstrap.LOCKS / lock).read_text("utf-8").splitlines():
            name, equals, rest = line.partition("==")
            if equals and not line.startswith((" ", "#")):
                locked.add((name, rest.split()[0]))
    assert locked == {(name, part["version"]) for name, part in found.items()}
    for part in found.values():
        (where,) = part["externalReferences"]
        assert where["hashes"]
