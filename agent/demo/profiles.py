"""What a fresh browser profile needs to trust this run's certificates; writes into it.

Chromium's family takes pins of public keys on the command line, Firefox a file of
exceptions in the profile (both tried: Chromium 156, Firefox ESR 153).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Endpoint:
    """A port of localhost and the certificate that is served there."""

    port: int
    certificate: x509.Certificate


def spki_pin(certificate: x509.Certificate) -> str:
    """Return the base64 SHA-256 of the public key, as Chromium's switch wants it."""
    key = certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


def chromium_arguments(profile: Path, endpoints: Sequence[Endpoint]) -> list[str]:
    """Return the switches for a fresh, quiet profile with these keys trusted."""
    pins = ",".join(dict.fromkeys(spki_pin(item.certificate) for item in endpoints))
    return [
        f"--user-data-dir={profile}",
        f"--ignore-certificate-errors-spki-list={pins}",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # With no proxy in between: localhost is the person's own computer.
        "--proxy-bypass-list=localhost;127.0.0.1;[::1]",
        "--password-store=basic",
        "--new-window",
    ]


_FIREFOX_PREFERENCES = """\
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.startup.page", 0);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.proxy.type", 0);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("trailhead.firstrun.didSeeAboutWelcome", true);
"""

_SHA256_OID = "OID.2.16.840.1.101.3.4.2.1"


def firefox_overrides(endpoints: Sequence[Endpoint]) -> str:
    """Return `cert_override.txt`: one line a host and port, fingerprint by SHA-256."""
    lines = ["# PSM Certificate Override Settings file"]
    for item in endpoints:
        digest = item.certificate.fingerprint(hashes.SHA256())
        fingerprint = digest.hex(":").upper()
        lines += [
            f"{host}:{item.port}:\t{_SHA256_OID}\t{fingerprint}\t"
            for host in ("localhost", "127.0.0.1")
        ]
    return "\n".join(lines) + "\n"


def firefox_arguments(profile: Path, endpoints: Sequence[Endpoint]) -> list[str]:
    """Fill the profile and return the arguments that start Firefox with it."""
    (profile / "user.js").write_text(_FIREFOX_PREFERENCES)
    (profile / "cert_override.txt").write_text(firefox_overrides(endpoints))
    return ["--no-remote", "--new-instance", "--profile", str(profile)]
