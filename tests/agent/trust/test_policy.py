"""Firefox' policies: merged with what others wrote, and restored to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from agent import certs
from agent.trust.firefox_policy import FirefoxPolicy
from agent.trust.runner import Result
from agent.trust.store import StoreUnusable, pem


class RootlessRunner:
    """Runs the real commands, in a folder of the test's own, as who the test is."""

    def run(
        self, command: Sequence[str], given: bytes = b"", *, as_root: bool = False
    ) -> Result:
        """Return how it ended."""
        assert as_root
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture
def ca() -> x509.Certificate:
    """A CA as the agent makes them."""
    return certs.issue().ca


OTHERS: list[dict[str, Any]] = [
    {},
    {"policies": {}},
    {"policies": {"DisableTelemetry": True}},
    {"policies": {"Certificates": {"ImportEnterpriseRoots": True}}},
    {"policies": {"Certificates": {"Install": ["/etc/other.pem"]}}},
    {"comment": "ours", "policies": {}},
]


@pytest.mark.parametrize("others", OTHERS, ids=json.dumps)
def test_what_others_wrote_stays(
    tmp_path: Path, ca: x509.Certificate, others: dict[str, Any]
) -> None:
    """Beside our entry, and after it went; each verb may be said twice."""
    file = tmp_path / "policies.json"
    if others:
        file.write_text(json.dumps(others))
    store = FirefoxPolicy(tmp_path, RootlessRunner())
    assert not store.check(ca)
    for _ in range(2):
        store.install(ca)
        assert store.check(ca)
    written = json.loads(file.read_text())["policies"]
    before = others.get("policies", {})
    assert all(
        written[name] == before[name] for name in before.keys() - {"Certificates"}
    )
    install = written["Certificates"]["Install"]
    assert install[:-1] == before.get("Certificates", {}).get("Install", [])
    assert Path(install[-1]).read_bytes() == pem(ca)
    for _ in range(2):
        store.remove(ca)
        assert not store.check(ca)
    left = json.loads(file.read_text()) if file.exists() else {}
    assert left == ({} if others == {"policies": {}} else others)
    assert list(tmp_path.glob("*.pem")) == []


def test_a_second_ca_has_a_file_of_its_own(tmp_path: Path) -> None:
    """A renewal has both for a while."""
    store = FirefoxPolicy(tmp_path, RootlessRunner())
    old, new = certs.issue().ca, certs.issue().ca
    store.install(old)
    store.install(new)
    store.remove(old)
    assert store.check(new)
    assert not store.check(old)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"policies": []}',
        b'{"policies": {"Certificates": 1}}',
        b'{"policies": {"Certificates": {"Install": "x"}}}',
    ],
)
def test_policies_that_cannot_be_understood_stay_as_they_are(
    tmp_path: Path, ca: x509.Certificate, content: bytes
) -> None:
    """The file is named, and nothing is written beside it."""
    (tmp_path / "policies.json").write_bytes(content)
    store = FirefoxPolicy(tmp_path, RootlessRunner())
    for act in (store.check, store.install, store.remove):
        with pytest.raises(StoreUnusable) as refused:
            act(ca)
        assert refused.value.values == {"path": str(tmp_path / "policies.json")}
    assert [path.name for path in tmp_path.iterdir()] == ["policies.json"]
    assert (tmp_path / "policies.json").read_bytes() == content
