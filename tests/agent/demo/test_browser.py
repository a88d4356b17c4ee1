"""Opening a browser: the right switches, an own profile, nothing left behind."""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.demo import browser
from agent.demo.browser import Endpoint, NotOpened, Opened


def certificate() -> x509.Certificate:
    """Return a certificate; only its key and fingerprint matter here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


@pytest.fixture
def endpoints() -> list[Endpoint]:
    """An agent and a portal."""
    return [Endpoint(27410, certificate()), Endpoint(40000, certificate())]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of the test's own, with a display said to be there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":99")
    return folder


def program(path: Path, name: str, script: str) -> None:
    """Put a program on the PATH."""
    file = path / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


STAYS = 'echo "$@" > "$0.arguments"\nexec /bin/sleep 60'


def opened(folder: Path, endpoints: list[Endpoint]) -> Opened:
    """Open the page and insist that it worked."""
    found = browser.open_browser("https://localhost:40000/", endpoints, folder, "linux")
    assert isinstance(found, Opened)
    return found


def test_chromium_trusts_these_two_keys_alone(
    path: Path, tmp_path: Path, endpoints: list[Endpoint]
) -> None:
    """The pins are SHA-256 of the public keys; the profile goes at the end."""
    program(path, "chromium", STAYS)
    with opened(tmp_path, endpoints) as running:
        profile = running.profile
        assert profile.is_dir()
        said = (path / "chromium.arguments").read_text().split()
    pins = ",".join(
        base64.b64encode(
            hashlib.sha256(
                item.certificate.public_key().public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                )
            ).digest()
        ).decode()
        for item in endpoints
    )
    assert f"--ignore-certificate-errors-spki-list={pins}" in said
    assert f"--user-data-dir={profile}" in said
    assert said[-1] == "https://localhost:40000/"
    assert not profile.exists()
    assert running.process.poll() is not None


def test_the_sandbox_is_left_out_for_root_only(
    path: Path, endpoints: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's Chromium does not start with its sandbox; everybody else keeps it."""
    program(path, "chromium", STAYS)
    for user, expected in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        [found] = browser.installed("linux")
        command = found.command(Path("/profile"), "https://localhost:1/", endpoints)
        assert ("--no-sandbox" in command) is expected


def test_root_is_told_about_the_sandbox(
    path: Path,
    tmp_path: Path,
    endpoints: list[Endpoint],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is less safe is said."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(path, "chromium", STAYS)
    with opened(tmp_path, endpoints):
        assert "without its sandbox" in caplog.text


def test_firefox_gets_an_exception_for_each_port(
    path: Path, tmp_path: Path, endpoints: list[Endpoint]
) -> None:
    """One line a host and port: tab, SHA-256's OID, tab, fingerprint, tab."""
    program(path, "firefox", STAYS)
    with opened(tmp_path, endpoints) as running:
        lines = (running.profile / "cert_override.txt").read_text().splitlines()
        preferences = (running.profile / "user.js").read_text()
        said = (path / "firefox.arguments").read_text()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert [row[0] for row in rows] == [
        "localhost:27410:",
        "127.0.0.1:27410:",
        "localhost:40000:",
        "127.0.0.1:40000:",
    ]
    digest = endpoints[0].certificate.fingerprint(hashes.SHA256())
    assert rows[0][1:] == ["OID.2.16.840.1.101.3.4.2.1", digest.hex(":").upper(), ""]
    assert "browser.aboutwelcome.enabled" in preferences
    assert f"--profile {running.profile}" in said


def test_the_next_browser_gets_its_turn(
    path: Path, tmp_path: Path, endpoints: list[Endpoint]
) -> None:
    """One that ends at once is passed over, and its profile removed."""
    program(path, "chromium", "exit 1")
    program(path, "firefox", STAYS)
    with opened(tmp_path, endpoints) as running:
        assert running.browser.family == "firefox"
        assert [item for item in tmp_path.iterdir() if item != path] == [
            running.profile
        ]


@pytest.mark.parametrize(
    ("name", "snap"), [("firefox", "firefox"), ("chromium-browser", "chromium")]
)
def test_a_snap_behind_a_script_gets_a_profile_that_it_can_see(
    name: str,
    snap: str,
    path: Path,
    tmp_path: Path,
    endpoints: list[Endpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Ubuntu 24.04: a script on the PATH starts the snap, which sees no /tmp."""
    snaps, home = tmp_path / "snap" / "bin", tmp_path / "home"
    snaps.mkdir(parents=True)
    program(snaps, snap, STAYS)
    start = f'if ! [ -x {snaps}/{snap} ]; then exit 1; fi\nexec {snaps}/{snap} "$@"'
    program(path, name, start)
    monkeypatch.setattr(browser, "_SNAPS", snaps)
    monkeypatch.setenv("HOME", str(home))
    with opened(tmp_path / "here", endpoints) as running:
        assert running.browser.program == snaps / snap
        assert running.profile.parent == home / "snap" / snap / "common"
    assert not running.profile.exists()


def test_a_script_whose_snap_is_not_installed_is_passed_over(
    path: Path, tmp_path: Path, endpoints: list[Endpoint]
) -> None:
    """Ubuntu ships the script alone; the next browser gets its turn."""
    program(path, "chromium-browser", 'exec /snap/bin/not-installed-here "$@"')
    program(path, "firefox", STAYS)
    with opened(tmp_path, endpoints) as running:
        assert running.browser.family == "firefox"


def test_helpers_of_the_browser_end_with_it(
    path: Path, tmp_path: Path, endpoints: list[Endpoint]
) -> None:
    """A child that outlives the browser does not keep the profile alive."""
    program(path, "chromium", '/bin/sleep 61 & echo $! > "$0.helper"\nwait')
    with opened(tmp_path, endpoints) as running:
        helper = (path / "chromium.helper").read_text().strip()
    state = subprocess.run(
        ["/bin/ps", "-o", "stat=", "-p", helper],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    assert state[:1] in ("", "Z")  # gone, or a zombie until it is reaped
    assert not running.profile.exists()


def test_reasons_why_nothing_opens(
    path: Path,
    tmp_path: Path,
    endpoints: list[Endpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No browser, none that starts, no display: each has its name."""

    def tried() -> Opened | NotOpened:
        return browser.open_browser("https://localhost/", endpoints, tmp_path, "linux")

    assert tried() == NotOpened("no-browser")
    program(path, "chromium", "exit 1")
    assert tried() == NotOpened("did-not-start")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert tried() == NotOpened("no-display")
    assert list(tmp_path.iterdir()) == [path]
