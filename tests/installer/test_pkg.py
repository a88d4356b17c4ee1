"""The package for macOS: its tree, made over a folder that stands in for the program.

Apple's tools are not run: they want macOS.
"""

from __future__ import annotations

import plistlib
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from agent.host import _autostart_macos
from installer import bootstrap, build, pkg

WORKFLOW = bootstrap.ROOT / ".github" / "workflows" / "packages.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the tree of a package, with a program that stands in."""
    program = tmp_path / "stand-in-program"
    (program / "_internal").mkdir(parents=True)
    (program / "eid-agent").write_bytes(b"\xcf\xfa\xed\xfestands in")
    (program / "_internal" / "stand-in.dylib").write_bytes(b"\xca\xfe\xba\xbe")
    (program / "_internal" / "text").write_bytes(b"no code")
    pkg.tree(program, "1.2.3", tmp_path / "root")
    return tmp_path / "root"


def test_the_application_has_the_scheme_and_starts_the_agent(root: Path) -> None:
    """SAFETY 21: the script that a link begins hands nothing on."""
    contents = root / pkg.BUNDLE / "Contents"
    info = plistlib.loads((contents / "Info.plist").read_bytes())
    assert info["CFBundleURLTypes"][0]["CFBundleURLSchemes"] == ["eid-agent"]
    assert info["CFBundleShortVersionString"] == "1.2.3"
    begun = contents / "MacOS" / info["CFBundleExecutable"]
    assert begun.stat().st_mode & 0o111 == 0o111
    script = begun.read_text(encoding="utf-8")
    assert f"/{pkg.PROGRAM}/eid-agent run --install-trust" in script
    assert "$" not in script


def test_the_agent_starts_with_each_session_once(root: Path) -> None:
    """The label is that of the tray's own, so that launchd starts one of the two."""
    told = plistlib.loads((root / pkg.AGENT).read_bytes())
    assert told["Label"] == _autostart_macos.LABEL
    program, *words = told["ProgramArguments"]
    assert words == ["run", "--install-trust"]
    assert (root / program.lstrip("/")).is_file()
    assert told["RunAtLoad"] is True
    assert told["LimitLoadToSessionType"] == "Aqua"


def test_every_program_and_library_is_signed_for_notarisation(root: Path) -> None:
    """Apple refuses a package in which one is not."""
    names = [path.name for path in pkg.code(root)]
    assert sorted(names) == ["eid-agent", "stand-in.dylib"]
    words = pkg.signing(pkg.code(root), "stand-in identity")
    assert words[: words.index("--sign")].count("runtime") == 1
    assert "--timestamp" in words
    rights = plistlib.loads((pkg.PARTS / "entitlements.plist").read_bytes())
    assert "com.apple.security.get-task-allow" not in rights


def test_the_package_is_built_signed_and_notarised_in_order(tmp_path: Path) -> None:
    """What lies in the work folder is what the commands name."""
    made = tmp_path / "eid-agent-1.2.3.pkg"
    component, product = pkg.building(tmp_path, "1.2.3", made, "stand-in identity")
    assert (component[0], product[0]) == ("pkgbuild", "productbuild")
    described = ET.parse(pkg.PARTS / "distribution.xml")  # noqa: S314
    inner = [each.text for each in described.findall("pkg-ref") if each.text]
    assert inner == [Path(component[-1]).name]
    assert {each.get("id") for each in described.iter("pkg-ref")} == {pkg.IDENTIFIER}
    assert product[product.index("--sign") + 1] == "stand-in identity"
    assert "--sign" not in pkg.building(tmp_path, "1.2.3", made, "")[1]
    (stays,) = plistlib.loads(pkg.components())
    assert stays["BundleIsRelocatable"] is False
    submitted, stapled = pkg.notarising(made, "stand-in profile")
    assert submitted[-1] == "--wait"
    assert stapled[1:3] == ["stapler", "staple"]


def test_the_packages_scripts_write_into_no_home() -> None:
    """They run as root; the agent does what is a person's, as that person."""
    for name in (*pkg.SCRIPTS, "start", "uninstall"):
        subprocess.run(["sh", "-n", pkg.PARTS / name], check=True)
    for name in pkg.SCRIPTS:
        script = (pkg.PARTS / name).read_text(encoding="utf-8")
        assert not re.search(r"HOME|/Users|~/|\bhome=", script)


def test_uninstalling_takes_out_all_that_was_put(root: Path) -> None:
    """And first, with each person's rights, their certificate."""
    script = (pkg.PARTS / "uninstall").read_text(encoding="utf-8")
    assert script.index("trust remove") < script.index("rm -rf")
    assert all(
        "as rm" in line
        for line in script.splitlines()
        if "$home/" in line and "rm " in line
    )
    places = [pkg.PROGRAM, pkg.BUNDLE, pkg.AGENT, Path("usr/local/bin/eid-agent")]
    assert all(f"/{place}" in script for place in places)
    for path in root.rglob("*"):
        if not path.is_dir():
            place = path.relative_to(root)
            assert any(place.is_relative_to(one) for one in places), place


def test_the_workflow_builds_each_kind_on_its_system() -> None:
    """Each is built, installed and taken off again."""
    workflow = WORKFLOW.read_text(encoding="utf-8")
    for kind in build.KINDS:
        assert f"-m installer.build {kind}\n" in workflow
    jobs = re.split(r"^  (?=\w+:$)", workflow.partition("\njobs:\n")[2], flags=re.M)
    for job in jobs[1:]:
        assert "- name: Install\n" in job
        assert "- name: Uninstall\n" in job


def test_a_package_for_another_system_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And says where it is built."""
    for kind, (system, _) in build.KINDS.items():
        if system != "Linux":
            assert build.main([kind]) == 1
            assert system in capsys.readouterr().err
    assert build.main(["rpm"]) == 2
