"""Real browsers trust the agent exactly while its CA is in their stores.

Each test has a home of its own. Browsers are started anew between states: Chromium
keeps a refusal for as long as it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Error, async_playwright

from agent import certs, host, tls
from agent.trust import own, renewal, work
from agent.trust.nss import NssStore
from agent.trust.record import Record
from agent.trust.runner import SystemRunner
from agent.trust.stores import Stores
from tests.e2e.firefox import FirefoxError, firefox, needs_firefox
from tests.e2e.harness import CHROMIUM, ROOT, Program, needs_chromium, program

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def environment(home: Path) -> dict[str, str]:
    """Return this environment with another home, and XDG's defaults below it."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    kept = {name: "" for name in os.environ if name.startswith("XDG_")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": cache}


@contextlib.asynccontextmanager
async def agent(home: Path) -> AsyncIterator[tuple[Program, str]]:
    """Run the agent of this home; yields it and an address that shows a text."""
    words = ["run", "--card", "virtual", "--ui", "terminal", "--developer"]
    words += ["--log-level", "info"]
    async with program(*words, env=environment(home)) as running:
        found = await running.expect(r"listening on (https://localhost:\d+)\n")
        yield running, f"{found[1]}/v1/client.js"


async def trust(home: Path, *words: str) -> tuple[int, str]:
    """Run `eid-agent trust` and return its exit code and output."""
    async with program("trust", *words, env=environment(home)) as running:
        code = await running.ended()
        return code, running.output


@contextlib.asynccontextmanager
async def plain_chromium(home: Path) -> AsyncIterator[BrowserContext]:
    """Run Chromium as the person of this home does: nothing is pinned or ignored."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            home / "chromium-profile",
            executable_path=CHROMIUM,
            args=["--headless=new", "--disable-gpu", "--no-proxy-server"],
            chromium_sandbox=os.geteuid() != 0,
            env={**os.environ, **environment(home)},
        )
        try:
            yield context
        finally:
            await context.close()


async def chromium_trusts(home: Path, url: str) -> bool:
    """Start Chromium, open the address, and tell whether it got an answer."""
    async with plain_chromium(home) as context:
        try:
            answer = await context.pages[0].goto(url)
        except Error as error:
            if "ERR_CERT_AUTHORITY_INVALID" not in str(error):
                raise
            return False
        assert answer is not None
        return answer.status == 200


async def firefox_trusts(
    home: Path, profile: Path, url: str, prefix: Sequence[str] = ()
) -> bool:
    """Start Firefox with a profile, open the address, tell whether it got an answer."""
    async with firefox(home, profile, prefix=prefix) as browser:
        try:
            return await browser.open(url) == 200
        except FirefoxError as error:
            if "SEC_ERROR_UNKNOWN_ISSUER" not in str(error):
                raise
            return False


@needs_chromium
async def test_chromium_trusts_the_agent_while_it_is_told_to(tmp_path: Path) -> None:
    """Not before, after `install`, not after `remove`; `status` says the same."""
    async with agent(tmp_path) as (_, url):
        assert not await chromium_trusts(tmp_path, url)
        assert (await trust(tmp_path, "status"))[0] == 1
        assert (await trust(tmp_path, "install"))[0] == 0
        assert (tmp_path / ".local/share/pki/nssdb/cert9.db").is_file()
        assert await chromium_trusts(tmp_path, url)
        assert (await trust(tmp_path, "status"))[0] == 0
        assert (await trust(tmp_path, "remove"))[0] == 0
        assert not await chromium_trusts(tmp_path, url)


@needs_chromium
async def test_chromium_reads_the_old_place_where_there_is_one(tmp_path: Path) -> None:
    """And the old place alone: that is where the CA goes."""
    (tmp_path / ".pki/nssdb").mkdir(parents=True)
    async with agent(tmp_path) as (_, url):
        assert (await trust(tmp_path, "install"))[0] == 0
        assert await chromium_trusts(tmp_path, url)
    assert (tmp_path / ".pki/nssdb/cert9.db").is_file()


@needs_firefox
async def test_firefox_trusts_the_agent_while_it_is_told_to(tmp_path: Path) -> None:
    """Whatever the profile's name, also in one made later; not before, not after."""
    profile = tmp_path / ".mozilla" / "firefox" / "Zoë's (2)"
    later = tmp_path / ".config" / "mozilla" / "firefox" / "werk"
    async with agent(tmp_path) as (_, url):
        assert not await firefox_trusts(tmp_path, profile, url)
        assert (await trust(tmp_path, "install"))[0] == 0
        assert await firefox_trusts(tmp_path, profile, url)
        assert not await firefox_trusts(tmp_path, later, url)
    async with agent(tmp_path) as (running, url):
        await running.logged(f"trusts the agent now: {later}")
        assert await firefox_trusts(tmp_path, later, url)
        assert (await trust(tmp_path, "remove"))[0] == 0
        assert not await firefox_trusts(tmp_path, profile, url)


# --- the whole machine ---------------------------------------------------------------

#: Gives a command a machine whose /etc and local certificates are copies in a folder.
_MACHINE = """
mount --bind "$1/etc" /etc
mount --bind "$1/certificates" /usr/local/share/ca-certificates
shift
exec "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> list[str]:
    """The words that run a command on a machine of the test's own."""
    if os.geteuid() != 0:
        pytest.skip("a mount namespace of its own needs root")
    folder = tmp_path / "machine"
    shutil.copytree("/etc", folder / "etc", symlinks=True, ignore=_sockets)
    (folder / "certificates").mkdir()
    words = ["unshare", "-m", "sh", "-ec", _MACHINE, "sh", str(folder)]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    return words


def _sockets(folder: str, names: list[str]) -> set[str]:
    paths = {name: Path(folder, name) for name in names}
    return {
        name
        for name, path in paths.items()
        if not (path.is_file() or path.is_dir() or path.is_symlink())
    }


@needs_firefox
async def test_a_machines_policy_makes_every_firefox_trust_the_agent(
    tmp_path: Path, machine: list[str]
) -> None:
    """Also one started for the first time; after `remove` none of this user's does.

    With what others wrote into the policies left as it was.
    """
    policies = tmp_path / "machine/etc/firefox/policies/policies.json"
    policies.parent.mkdir(parents=True)
    others = {"policies": {"DisableTelemetry": True}}
    policies.write_text(json.dumps(others))
    bundle = tmp_path / "machine/etc/ssl/certs/ca-certificates.crt"
    profile = tmp_path / ".config/mozilla/firefox/first"

    async def asked(url: str) -> bool:
        return await firefox_trusts(tmp_path, profile, url, machine)

    def on_machine(*words: str) -> int:
        command = [*machine, sys.executable, "-m", "agent", "trust", *words, "--system"]
        env = {**os.environ, **environment(tmp_path)}
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode

    async with agent(tmp_path) as (_, url):
        assert on_machine("install") == 0
        assert on_machine("status") == 0
        assert await asked(url)
        ca = (tmp_path / ".local/share/eid-agent/tls/ca.pem").read_text()
        assert ca in bundle.read_text()
        assert on_machine("remove") == 0
        assert on_machine("status") == 1
        assert not await asked(url)
        assert ca not in bundle.read_text()
    assert json.loads(policies.read_text()) == others
    assert [path.name for path in policies.parent.iterdir()] == ["policies.json"]


# --- renewal -------------------------------------------------------------------------

#: Asks again and again, each time over a new connection, until told to stop.
_ASKING = """() => {
  window.asked = 0; window.failed = 0; window.asking = true;
  (async () => {
    while (window.asking) {
      try { await fetch("/", { cache: "no-store" }); } catch { window.failed += 1; }
      window.asked += 1;
    }
  })();
}"""


def an_old_certificate(data: Path) -> tls.Files:
    """Make a data folder whose certificate ends in fifty days."""
    host.make_private_dir(data)
    host.make_private_dir(data / "tls")
    now = datetime.datetime.now(datetime.UTC)
    issued = certs.issue(now=lambda: now - datetime.timedelta(days=750))
    [files] = tls.store(issued, data / "tls")
    return files


@contextlib.asynccontextmanager
async def closing_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """Serve a page over TLS, every answer on a connection of its own."""

    async def page(_request: web.Request) -> web.Response:
        response = web.Response(text="<title>here</title>", content_type="text/html")
        response.force_close()
        return response

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def renewed_while_asked(
    home: Path, files: tls.Files, page: Asking, stores: list[NssStore]
) -> None:
    """Renew under a page that asks all the time; no question of it may fail."""
    data, context = home / "data", files.context()
    record = Record(data)
    old = files.ca_certificate()
    assert all(row.trusted for row in work.install(stores, old, record))
    here = Stores(SystemRunner(attended=False), home, {}, "linux")

    def serve(new: tls.Files) -> None:
        loop.call_soon_threadsafe(new.load_into, context)

    loop = asyncio.get_running_loop()
    async with closing_server(context) as url:
        await page.open(url)
        await page.run(f"({_ASKING})()")
        await page.until("window.asked >= 5")
        refused = await asyncio.to_thread(
            renewal.renew, data, stores, here.named, record, serve
        )
        assert refused == []
        asked = await page.run("window.asked")
        await page.until(f"window.asked >= {asked} + 10")
        assert await page.run("(window.asking = false, window.failed)") == 0
        port = int(url.rstrip("/").rpartition(":")[2])
        new = tls.load(data)
        assert new is not None
        shown = await asyncio.to_thread(own.shown, port)
        assert shown == new.leaf_certificate()
    for store in stores:
        assert store.check(new.ca_certificate())
        assert not store.check(old)


class Asking(Protocol):
    """What the test above needs of a browser."""

    async def open(self, url: str) -> object: ...
    async def run(self, code: str) -> object: ...
    async def until(self, code: str) -> None: ...


@needs_chromium
async def test_chromium_notices_nothing_of_a_renewal(tmp_path: Path) -> None:
    """No question of a page that is open all the time fails, and the old CA is gone."""

    class OfChromium:
        async def open(self, url: str) -> object:
            return await page.goto(url)

        async def run(self, code: str) -> object:
            return await page.evaluate(code)

        async def until(self, code: str) -> None:
            await page.wait_for_function(code)

    files = an_old_certificate(tmp_path / "data")
    runner = SystemRunner(attended=False)
    folder = tmp_path / ".local/share/pki/nssdb"
    store = NssStore("chromium", folder, runner, can_be_made=True)
    async with plain_chromium(tmp_path) as context:
        page = context.pages[0]
        await renewed_while_asked(tmp_path, files, OfChromium(), [store])


@needs_firefox
async def test_firefox_notices_nothing_of_a_renewal(tmp_path: Path) -> None:
    """As Chromium."""

    class OfFirefox:
        async def open(self, url: str) -> object:
            return await browser.open(url)

        async def run(self, code: str) -> object:
            return await browser.evaluate(code)

        async def until(self, code: str) -> None:
            await browser.wait(code)

    files = an_old_certificate(tmp_path / "data")
    profile = tmp_path / ".config/mozilla/firefox/own"
    async with firefox(tmp_path, profile) as browser:
        store = NssStore("firefox", profile, SystemRunner(attended=False))
        await renewed_while_asked(tmp_path, files, OfFirefox(), [store])
