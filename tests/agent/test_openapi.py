"""The running agent against the description that it gives of itself.

schemathesis makes requests from `/v1/openapi.json`, as described and wrong on purpose,
and sends them over TLS to the real program, whose questions are answered at once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.program import ORIGIN, Agent

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("--card", "virtual", "--developer", "--allow-origin", ORIGIN)
#: Examples a call of the phase that makes them at random, without and with `--full`.
SHORT, LONG = 30, 1000


def _run_schemathesis(
    agent: Agent, examples: int, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Ask the agent all that comes of its description; the seed is always the same."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("described.toml"))),
        *("run", f"https://localhost:{agent.port}/v1/openapi.json"),
        *("--tls-verify", str(agent.ca), "--no-color", "--warnings", "off"),
        *("--seed", "1", "--max-examples", str(examples)),
        *("--generation-database", "none", "--request-timeout", "30"),
    ]
    return subprocess.run(
        command,
        cwd=folder,  # it leaves a cache
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.agent.described",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.sweep
@pytest.mark.timeout(1800)
def test_every_answer_is_as_described(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Status, type, schema, code; wrong requests are refused, and no right one is."""
    examples = LONG if pytestconfig.getoption("--full") else SHORT
    with Agent(os.environ, tmp_path, OPTIONS) as agent:
        result = _run_schemathesis(agent, examples, tmp_path)
        with closing(agent.connection()) as connection:
            login = {"challengeNonce": "n" * 44}
            status, _ = agent.ask(connection, "/v1/authenticate", login)
    assert result.returncode == 0, result.stdout + result.stderr
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase}\n", result.stdout), result.stdout
    cases = re.search(r"([0-9]+) generated", result.stdout)
    assert cases, result.stdout
    assert int(cases[1]) > 7 * examples
    assert status == 200
    assert any("PIN: " in question for question in agent.asked)
    assert not [line for line in agent.log if "Traceback" in line or "ERROR" in line]
