"""Windows, macOS and p11-kit: exact command lines, against a recorded runner.

None of them was run on such a system.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent import certs
from agent.trust.ca_certificates import CaCertificates
from agent.trust.keychain import Keychain
from agent.trust.p11_kit import P11Kit
from agent.trust.runner import Result
from agent.trust.store import StoreUnusable, file_name, pem
from agent.trust.windows_root import WindowsRoot
from tests.agent.trust.recorded import RecordedRunner

CERTUTIL = r"C:\Windows\System32\certutil.exe"


@pytest.fixture
def ca() -> x509.Certificate:
    """A CA as the agent makes them."""
    return certs.issue().ca


def absent(command: Sequence[str]) -> Result:
    """Answer as a tool does that finds nothing and can do everything."""
    looking = {"-store", "verify-cert"}
    return Result(1 if looking & set(command) else 0)


@pytest.mark.parametrize("system", [False, True])
def test_windows_gets_these_commands(ca: x509.Certificate, system: bool) -> None:
    """The user's roots, or the machine's; by thumbprint; nothing twice."""
    thumb = ca.fingerprint(hashes.SHA1()).hex()
    user = [] if system else ["-user"]
    runner = RecordedRunner(absent)
    WindowsRoot(runner, system=system).install(ca)
    assert runner.commands == [
        [CERTUTIL, *user, "-store", "Root", thumb],
        [CERTUTIL, *user, "-addstore", "Root", "FILE"],
    ]
    assert runner.files == [pem(ca)]
    runner = RecordedRunner()
    store = WindowsRoot(runner, system=system)
    store.install(ca)  # it is there
    store.remove(ca)
    assert runner.commands[1:] == [
        [CERTUTIL, *user, "-store", "Root", thumb],
        [CERTUTIL, *user, "-delstore", "Root", thumb],
    ]


@pytest.mark.parametrize("system", [False, True])
def test_macos_gets_these_commands(ca: x509.Certificate, system: bool) -> None:
    """For TLS alone; trust and certificate both go; the system's as administrator."""
    keychain = "/Library/Keychains/System.keychain" if system else "/Users/x/login"
    admin = ["-d"] if system else []
    sha1 = ca.fingerprint(hashes.SHA1()).hex().upper()
    tool = "/usr/bin/security"
    runner = RecordedRunner(absent)
    store = Keychain(Path(keychain), runner, system=system)
    store.install(ca)
    trust = ["-r", "trustRoot", "-p", "ssl", "-k", keychain, "FILE"]
    assert runner.commands[1:] == [[tool, "add-trusted-cert", *admin, *trust]]
    assert runner.as_root == [False, system]
    assert runner.files[1:] == [pem(ca)]
    found = Result(0, f"SHA-1 hash: {sha1}\n".encode())
    runner = RecordedRunner(lambda _: found)
    Keychain(Path(keychain), runner, system=system).remove(ca)
    assert runner.commands == [
        [tool, "find-certificate", "-a", "-Z", keychain],
        [tool, "remove-trusted-cert", *admin, "FILE"],
        [tool, "delete-certificate", "-Z", sha1, keychain],
    ]
    assert runner.as_root == [False, system, system]
    runner = RecordedRunner()
    Keychain(Path(keychain), runner, system=system).remove(ca)
    assert len(runner.commands) == 1  # it was not there


def test_p11_kit_gets_these_commands(ca: x509.Certificate) -> None:
    """As the administrator; looking needs none."""
    runner = RecordedRunner()
    P11Kit(runner).install(ca)
    kind = ["--format=pem-bundle", "--filter=ca-anchors", "--purpose=server-auth"]
    extract, store = runner.commands
    assert extract == ["trust", "extract", *kind, "--overwrite", "FILE"]
    assert store == ["trust", "anchor", "--store", "FILE"]
    assert runner.as_root == [False, True]
    assert pem(ca) in runner.files


def test_debians_certificates_get_these_commands(
    ca: x509.Certificate, tmp_path: Path
) -> None:
    """A file of our own in the local folder, and the bundle made of it."""
    runner = RecordedRunner()
    store = CaCertificates(tmp_path, tmp_path / "bundle", runner)
    store.install(ca)
    file = tmp_path / file_name(ca, ".crt")
    copy, update = runner.commands
    assert copy[:4] == ["install", "-D", "-m", "644"]
    assert copy[-2:] == ["FILE", str(file)]
    assert update == ["/usr/sbin/update-ca-certificates", "--fresh"]
    assert runner.as_root == [True, True]
    (tmp_path / "bundle").write_bytes(b"other\n" + pem(ca))
    assert store.check(ca)
    file.write_bytes(pem(ca))
    store.remove(ca)
    assert runner.commands[2:] == [["rm", "-f", "--", str(file)], update]


@pytest.mark.parametrize("kind", ["windows", "macos", "p11-kit"])
def test_a_person_who_says_no_is_a_reason(ca: x509.Certificate, kind: str) -> None:
    """The dialog's refusal ends as a sentence, as any other failure does."""

    def refused(command: Sequence[str]) -> Result:
        code = 0 if "extract" in command else 1
        return Result(code, errors="The user cancelled.\n")

    runner = RecordedRunner(refused)
    store = {
        "windows": WindowsRoot(runner, system=False),
        "macos": Keychain(Path("/k"), runner, system=False),
        "p11-kit": P11Kit(runner),
    }[kind]
    with pytest.raises(StoreUnusable) as error:
        store.install(ca)
    assert error.value.values == {"reason": "The user cancelled."}
