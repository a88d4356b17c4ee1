"""The shape of the tree: modules import alone, the rims are narrow, nothing secret."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "cardio")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
#: Modules that only one system can import say so at the end of their name.
_ONE_SYSTEM = {"windows": "win32", "macos": "darwin", "linux": "linux"}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _elsewhere(path: Path) -> bool:
    system = path.stem.rpartition("_")[2]
    if system == "posix":
        return sys.platform == "win32"
    if system == "psutil":  # which Linux needs not
        return sys.platform == "linux"
    return _ONE_SYSTEM.get(system, sys.platform) != sys.platform


MODULES = [
    _module(path)
    for path in SOURCES
    if path.stem != "__main__" and not _elsewhere(path)
]


#: Answers each module's name with a line: whether a process of its own imports it.
#: What other people wrote is imported once, before it; of ours nothing is.
_IMPORTER = """\
import contextlib, importlib, json, os, sys, traceback, warnings

for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
for line in sys.stdin:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        said = ""
        try:
            warnings.filterwarnings("error")
            importlib.import_module(line.strip())
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode()[-4096:])
        os._exit(0)
    os.close(writing)
    with open(reading) as told:
        print(json.dumps(told.read()), flush=True)
    os.wait()
"""
_OTHERS = (
    *("asyncio", "aiohttp.web", "asn1crypto.x509", "cryptography.x509"),
    *("smartcard.System", "pkcs11", "PySide6.QtWidgets", "pyhanko.sign.validation"),
    *("pyhanko_certvalidator", "jinja2", "PIL.Image"),
)


@pytest.fixture(scope="module")
def importer() -> Iterator[subprocess.Popen[str]]:
    """A process that tries one module after the other."""
    with subprocess.Popen(
        [sys.executable, "-c", _IMPORTER, *_OTHERS],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_alone(module: str, importer: subprocess.Popen[str]) -> None:
    """In a fresh process, with warnings as errors and none of ours imported before."""
    assert importer.stdin is not None
    assert importer.stdout is not None
    print(module, file=importer.stdin, flush=True)
    said = json.loads(importer.stdout.readline())
    assert said == "", said


@pytest.mark.parametrize("module", MODULES)
def test_all_names_what_is_there_in_order(module: str) -> None:
    """Where a module has `__all__`, it is sorted and every name exists."""
    names = getattr(importlib.import_module(module), "__all__", None)
    if names is None:
        return
    assert sorted(set(names), key=_isort) == list(names)
    assert not [
        name for name in names if not hasattr(importlib.import_module(module), name)
    ]


def _isort(name: str) -> tuple[int, str]:
    """Order as the linter does: constants, classes, functions."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def _imports(path: Path) -> Iterator[str]:
    """Return every imported module's first name, wherever the statement stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _importers(name: str) -> list[str]:
    return [_module(path) for path in SOURCES if name in _imports(path)]


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("smartcard", ["cardio.pcsc"]),
        ("pkcs11", ["cardio.pkcs11"]),
        ("pystray", ["agent.ui.tray"]),
        ("dbus_fast", ["agent.host._notices_linux", "agent.host._session_linux"]),
    ],
)
def test_one_module_alone_touches_the_outside(package: str, allowed: list[str]) -> None:
    """Reader, PKCS#11 module, tray and D-Bus are each behind one file."""
    assert set(_importers(package)) <= set(allowed)


def test_windows_stay_in_the_user_interface() -> None:
    """PySide6 is imported below agent.ui alone."""
    assert all(name.startswith("agent.ui") for name in _importers("PySide6"))


#: Who may ask which system this is: one file a system below agent.host, what chooses
#: among such files, and what a system does differently in one place alone.
_MAY_ASK_THE_SYSTEM = {
    "agent.demo.browser",  # where browsers are, and how they end
    "agent.host",
    "agent.host._peers_linux",
    "agent.host._peers_psutil",
    "agent.host._machine_linux",
    "agent.host._machine_macos",
    "agent.host._machine_windows",
    "agent.host._notices_linux",
    "agent.host._posix",
    "agent.host._session_linux",
    "agent.host._windows",
    "agent.host.autostart",
    "agent.host.machine",
    "agent.host._register_linux",
    "agent.host.notices",
    "agent.host.register",
    "agent.host.session",
    "agent.trust.stores",  # where browsers keep whom they trust
    "agent.ui.terminal",
    "agent.ui.terminal_posix",
    "agent.ui.terminal_windows",
    "cardio.cryptoki",  # how a module packs its structures
    "cardio.pkcs11_places",  # where modules are
    "cardio.pcsc",  # macOS' PC/SC does not tell of new readers
    "cardio.virtual.cache",  # the place of caches; cardio cannot ask agent.host
}


def test_few_modules_ask_which_system_this_is() -> None:
    """What differs between systems is found in these, and nowhere else."""
    asking = {
        _module(path)
        for path in SOURCES
        if re.search(
            r"\bsys\.platform\b|\bos\.name\b|\bplatform\.system\b",
            path.read_text(encoding="utf-8"),
        )
    }
    assert asking == _MAY_ASK_THE_SYSTEM


def test_cardio_knows_no_http_and_no_event_loop() -> None:
    """Whatever the import statement looks like and wherever it stands."""
    banned = {"agent", "aiohttp", "asyncio", "http", "urllib", "ssl", "tkinter"}
    found = {
        (path.name, name)
        for path in SOURCES
        if path.is_relative_to(ROOT / "cardio")
        for name in banned.intersection(_imports(path))
    }
    assert not found


def test_the_relying_party_stands_alone() -> None:
    """A portal's server imports it without reader, HTTP server or virtual card."""
    code = (
        "import sys, agent.relyingparty;"
        "banned = {'aiohttp', 'smartcard', 'cardio.pcsc', 'cardio.virtual', 'PySide6'};"
        "print(*sorted(banned.intersection(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == ""


def test_every_module_of_the_agent_has_its_layer() -> None:
    """It is of the inside, which import-linter holds apart, or one of these; and drawn.

    A new module is put into the contract, or here with a reason in its first line.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (inside,) = (
        {name.removeprefix("agent.") for name in contract["source_modules"]}
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["name"].startswith("the agent's inside")
    )
    rims = {"certs", "cli", "commands", "connections", "demo", "doctor", "door",
            "host", "instance", "openapi", "panel", "pdf", "peers", "releasecheck",
            "relyingparty", "server", "service", "sockets", "testing", "tls", "trust",
            "ui"}  # fmt: skip
    there = {path.stem for path in (ROOT / "agent").glob("[!_]*.py")}
    there |= {path.parent.name for path in (ROOT / "agent").glob("*/__init__.py")}
    assert inside | rims == there
    picture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert there <= set(re.findall(r"\w+", picture.split("```")[1]))


# --- what may not be sent ------------------------------------------------------------


def test_one_path_alone_sends_internal_authenticate() -> None:
    """After 5000 calls a whole 1.7 card is blocked (SAFETY 3), so 00 88 has one way.

    One module of the client builds the instruction, and no number 88 hides beside it;
    the card alone calls that module, the agent's chip module alone the card's method,
    and only an identity request and `card verify` reach the agent's.
    """
    client = [
        path for path in SOURCES if not path.is_relative_to(ROOT / "cardio" / "virtual")
    ]
    users = {
        _module(path) for path in client if "INTERNAL_AUTHENTICATE" in _names(path)
    }
    assert users == {"cardio.apdu", "cardio.beid.chip"}
    literal = [path for path in client if "relyingparty" not in path.parts]
    hidden = {_module(path) for path in literal if 0x88 in _numbers(path)}
    assert hidden == {"cardio.apdu"}
    assert _importing("cardio.beid.chip") == {"cardio.beid.card"}
    callers = {_module(path) for path in client if "authenticate_chip" in _names(path)}
    assert callers == {"cardio.card", "cardio.beid.card", "agent.chip"}
    assert _importing("agent.chip") == {"agent.disclosures", "agent.commands.verify"}


def test_only_an_identity_request_asks_the_chip() -> None:
    """Where its files are read the chip is reached, in one place and nowhere else."""
    tree = ast.parse((ROOT / "agent" / "disclosures.py").read_text(encoding="utf-8"))
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    def using(name: str) -> set[str]:
        return {one.name for one in functions if name in _attributes(one)}

    assert using("members") == {"_read", "read"}
    assert using("question") == {"_read"}
    assert using("put") == using("Question") == set()
    assert sum(node == "members" for node in _attributes_all(tree)) == 1
    assert sum(node == "question" for node in _attributes_all(tree)) == 1


def _attributes_all(tree: ast.AST) -> list[str]:
    return [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def _attributes(tree: ast.AST) -> set[str]:
    return set(_attributes_all(tree))


def _names(path: Path) -> set[str]:
    """Return what a source names, defines or reaches for, texts included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _importing(module: str) -> set[str]:
    """Return the modules that import one, in whatever form the statement has."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                names.add(node.module or "")
            else:
                continue
            if module in names:
                found.add(_module(path))
    return found


def _numbers(path: Path) -> set[int]:
    """Return the whole numbers in a source, and those in bytes and hex texts."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, int) and not isinstance(value, bool):
            found.add(value)
        if isinstance(value, bytes) and value[:2] == b"\x00\x88":
            found.add(0x88)
        if isinstance(value, str) and re.match(r"00 ?88", value):
            found.add(0x88)
    return found


# --- what may not be in the tree -----------------------------------------------------


def _tracked() -> list[Path]:
    """Return the files under version control; all skipped outside a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_nothing_secret_is_committed() -> None:
    """No private key in any file, no file that is named like one."""
    mark = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=:]{20}")
    assert not [
        path
        for path in _tracked()
        if path.suffix in {".key", ".p12", ".pfx"} or mark.search(path.read_bytes())
    ]


def test_lock_files_name_packages_and_hashes_only() -> None:
    """No download address and no index: these are the person's own settings."""
    for path in (ROOT / "installer" / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path
        assert "--index-url" not in text, path
        assert "--find-links" not in text, path
        requirements = re.findall(r"^[a-z0-9][^\n]*==", text, flags=re.MULTILINE | re.I)
        assert requirements, path
        assert text.count("--hash=sha256:") >= len(requirements), path


def test_the_lock_of_npm_names_packages_and_hashes_only() -> None:
    """Where they come from is the person's own setting here, too."""
    lock = json.loads((ROOT / "tests" / "e2e" / "package-lock.json").read_bytes())
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert packages
    assert not [entry for entry in packages if "resolved" in entry]
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)


def test_the_readme_keeps_its_length() -> None:
    """At most 150 lines; more goes to docs/."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/attacks.md"])
def test_the_pages_of_security_name_tests_that_exist(page: str) -> None:
    """Each test that they give as evidence is in the tree."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")
    )
    there = set(re.findall(r"def (test_\w+)", sources))
    assert named, f"{page} names no test"
    assert named <= there, sorted(named - there)


def test_every_attack_in_the_list_has_its_test() -> None:
    """They are numbered without a gap, at least 40, and each has a test of its own."""
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| \d", line)
    ]
    assert [number for number, _, _ in rows] == [str(n + 1) for n in range(len(rows))]
    assert len(rows) >= 40
    tests = [re.findall(r"`(test_\w+)`", named)[0] for _, _, named in rows]
    assert len(set(tests)) == len(rows)


def test_every_attacker_in_the_threat_model_has_a_promise_and_its_limit() -> None:
    """A row each, with a test of what is promised; the limit is said in words."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    model = text.partition("## Threat model")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in model.splitlines() if "|" in line]
    attackers = rows[2:]
    assert len(attackers) >= 7
    for who, promised, beyond in attackers:
        assert "`test_" in promised, who
        assert beyond.strip(), who


def test_modules_and_functions_stay_short() -> None:
    """The median function has at most 9 lines, nine of ten at most 30."""
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] <= 9
    assert lengths[len(lengths) * 9 // 10] <= 30
