"""The client in Node's own test runner, over TLS; skipped without Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from agent import certs

NODE = shutil.which("node")
WEB = Path(__file__).parents[3] / "agent" / "web"
TESTS = Path(__file__).parent / "client.test.mjs"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_clients_own_tests_pass(tmp_path: Path) -> None:
    """Each call against a fake agent, and as a mock."""
    assert NODE is not None
    issued = certs.issue()
    leaf = issued.leaves[0]
    files = {name: tmp_path / name for name in ("ca", "certificate", "key")}
    files["ca"].write_bytes(issued.ca_pem())
    files["certificate"].write_bytes(leaf.pem())
    files["key"].write_bytes(
        leaf.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    done = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", TESTS],
        env={
            **os.environ,
            "NODE_EXTRA_CA_CERTS": str(files["ca"]),
            "FAKE_AGENT_CERTIFICATE": str(files["certificate"]),
            "FAKE_AGENT_KEY": str(files["key"]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_package_can_be_installed_and_used(tmp_path: Path) -> None:
    """What `npm pack` makes holds all that a portal imports; the mock works from it."""
    _run(tmp_path, "npm", "pack", "--offline", "--pack-destination", tmp_path, WEB)
    (packed,) = tmp_path.glob("eid-agent-client-*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "node_modules" / "eid-agent-client"
    home.parent.mkdir()
    (tmp_path / "package").rename(home)
    shipped = {file.name for file in home.iterdir()}
    own = {file.name for file in WEB.iterdir() if file.is_file()}
    assert shipped == own
    described = json.loads((home / "package.json").read_text())
    assert "dependencies" not in described
    script = """
      import { VERSION, detect } from "eid-agent-client";
      const { state, title } = await detect({ mock: true, lang: "nl" });
      console.log(JSON.stringify({ VERSION, state, title }));
    """
    said = json.loads(
        _run(tmp_path, "node", "--input-type=module", "--eval", script).stdout
    )
    assert said["VERSION"] == described["version"]
    assert said["state"] == "running"
    assert said["title"]


def _run(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "npm_config_cache": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
