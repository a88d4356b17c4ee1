"""Every page in real windows on a screen of Xvfb: nothing clipped, everything said.

Pictures go to a temporary folder, or to that of EID_AGENT_SCREENSHOTS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from agent.texts import LANGUAGES

pytest.importorskip("PySide6")
pytestmark = [
    pytest.mark.sweep,
    pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed"),
]

ROOT = Path(__file__).resolve().parents[3]

#: A font in points and a scale: as it is, twice as large in either way, and in both.
SIZES = {"100": (11, 1), "200-font": (22, 1), "200-scale": (11, 2), "400": (22, 2)}
SAMPLE = [
    ("nl", "100", "light"),
    ("de", "200-font", "dark"),
    ("fr", "200-scale", "black"),
    ("en", "400", "white"),
]
ALL = [
    *product(LANGUAGES, SIZES, ("light", "dark")),
    *product(LANGUAGES, ("100",), ("black", "white")),
]

Found = dict[str, dict[str, list[str]]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A sample of the looks; all of them with --full."""
    looks = ALL if metafunc.config.getoption("--full") else SAMPLE
    if "found" in metafunc.fixturenames:
        metafunc.parametrize(
            "found", looks, indirect=True, ids="-".join, scope="module"
        )


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """A screen of an older notebook, on a number that Xvfb chooses."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as chosen:
        server = subprocess.Popen(
            [
                *("Xvfb", "-displayfd", str(writing), "-nolisten", "tcp"),
                *("-screen", "0", "1280x900x24"),
            ],
            pass_fds=[writing],
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        try:
            yield f":{chosen.readline().strip()}"
        finally:
            server.terminate()
            server.wait()


@pytest.fixture(scope="module")
def found(
    request: pytest.FixtureRequest,
    screen: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Found:
    """What is wrong with each page in one look."""
    wanted = os.environ.get("EID_AGENT_SCREENSHOTS")
    folder = Path(wanted) if wanted else tmp_path_factory.mktemp("screens")
    return _look(screen, folder, *request.param)


def _look(
    screen: str, folder: Path, lang: str, size: str, palette: str, *options: str
) -> Found:
    points, scale = SIZES[size]
    folder.mkdir(exist_ok=True)
    shown = subprocess.run(
        [
            *(sys.executable, "-m", "tests.agent.ui.gallery"),
            *("--lang", lang, "--points", str(points), "--palette", palette),
            *("--name", f"{size}-{palette}", "--folder", str(folder)),
            *options,
        ],
        cwd=ROOT,
        env=os.environ
        | {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": str(scale)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    result: Found = json.loads(shown.stdout)
    assert len(list(folder.glob(f"*-{lang}-{size}-{palette}.png"))) == len(result)
    return result


def test_a_page_is_whole_and_takes_the_room_that_it_needs(found: Found) -> None:
    """No text cut, nothing on another, no gap, no scrolling where there is room."""
    faults = {
        page: said["geometry"] for page, said in found.items() if said["geometry"]
    }
    assert not faults


def test_a_page_can_be_heard_and_used_by_keyboard(found: Found) -> None:
    """Names, roles, labels, the order of Tab, and the whole message with the focus."""
    faults = {page: said["reading"] for page, said in found.items() if said["reading"]}
    assert not faults


@pytest.mark.parametrize("size", SIZES)
def test_a_page_stays_whole_when_the_time_is_nearly_over(
    screen: str, size: str, tmp_path: Path
) -> None:
    """The window grows by what tells the time, and keeps its buttons."""
    options = ("--time", "--only", "consent-always")
    found = _look(screen, tmp_path, "de", size, "light", *options)
    assert found == {"consent-always": {"geometry": [], "reading": []}}
