"""What the running agent does for its trust: looks, tells, keeps up; in a thread.

At the start it looks who answers on its port and who trusts it, and says what to do.
Then, and every few minutes, stores that appeared since get the CA, where the person had
it installed before; once a day a certificate that ends is renewed. At the end a thread
that waits for the person is left behind: whatever it was doing can be cut anywhere.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from agent import host, tls
from agent.host import register
from agent.texts import text
from agent.trust import own, renewal, work
from agent.trust.record import Record, RecordBusy
from agent.trust.renewal import Serve
from agent.trust.stores import Stores

_log = logging.getLogger(__name__)

#: How often new profiles are looked for: a look at a few folders.
LOOK_SECONDS = 600.0
_RENEW_SECONDS = 24 * 3600.0
_STOP_SECONDS = 2.0


class Keeper:
    """Looks after the trust in one running agent, from `start` to `stop`."""

    def __init__(
        self,
        data_dir: Path,
        stores: Stores,
        serve: Serve,
        tell: Callable[[str], None],
        lang: str,
        doubted: Callable[[], None] = lambda: None,
        *,
        install: bool = False,
    ) -> None:
        """`tell` is given sentences; `doubted` called where a store does not trust.

        `install`: at this user's first start the CA is put into the stores.
        """
        self._data_dir = data_dir
        self._stores = stores
        self._serve = serve
        self._tell = tell
        self._lang = lang
        self._doubted = doubted
        self._install = install
        self._record = Record(data_dir)
        self._renewed = -_RENEW_SECONDS
        self._stopped = threading.Event()

    def start(self, port: int) -> None:
        """Begin; the agent listens on this port."""
        self._thread = threading.Thread(
            target=self._keep, args=(port,), name="trust", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait a moment for what was begun."""
        self._stopped.set()
        self._thread.join(_STOP_SECONDS)

    def _keep(self, port: int) -> None:
        self._guarded(lambda: self.look_at_port(port))
        if self._install:
            self._guarded(self.install_once)
        self._guarded(self.keep_up)
        self._guarded(self.offer)
        _log.debug("trust: looked")
        while not self._stopped.wait(LOOK_SECONDS):
            self._guarded(self.keep_up)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do it; a failure is for the log, and the agent goes on."""
        if self._stopped.is_set():
            return
        try:
            act()
        except (OSError, ValueError, RecordBusy, tls.DataDirUnusable) as error:
            _log.warning("trust: %s", type(error).__name__)

    def look_at_port(self, port: int) -> None:
        """Say whose certificate is shown on the port, if it is not ours."""
        files = tls.load(self._data_dir)
        if files is None:
            return
        issuer = own.stranger(port, files.leaf_certificate())
        if issuer is not None:
            self._say("trust-intercepted", port=port, issuer=f'"{issuer}"')

    def install_once(self) -> None:
        """Put the CA into the user's stores, unless that was ever done; OSError.

        Who took it out again is not asked to do so at each start. The package's list
        comes first: what is not on it, the package's removal would leave behind.
        """
        files = tls.load(self._data_dir)
        if files is None:
            return
        register.note(self._data_dir)
        with self._record.alone():
            if not self._record.begun():
                found = self._stores.of_user()
                work.install(found, files.ca_certificate(), self._record)

    def keep_up(self) -> None:
        """Put the CA into new stores, and renew what ends; OSError, RecordBusy."""
        files = tls.load(self._data_dir)
        found = self._stores.of_user()
        with self._record.alone():
            if files is not None:
                ca = files.ca_certificate()
                for row in renewal.adopt(found, ca, self._stores.named, self._record):
                    if row.trusted:
                        _log.info("%s trusts the agent now: %s", row.name, row.path)
            if host.clock() < self._renewed + _RENEW_SECONDS:
                return
            self._renewed = host.clock()
            refused = renewal.renew(
                self._data_dir, found, self._stores.named, self._record, self._serve
            )
        for row in refused:
            _log.warning("trust: %s %s: %s", row.name, row.path, row.key)
        if refused:
            system = any(row.key == "trust-administrator" for row in refused)
            self._say("trust-renew", option=" --system" if system else "")

    def offer(self) -> None:
        """Say what to do where a store of the user's does not trust the agent."""
        files = tls.load(self._data_dir)
        if files is None:
            return
        rows = work.status(self._stores.of_user(), files.ca_certificate())
        unknown = any(row.trusted is None for row in rows)
        never = unknown and not self._record.places()
        if never or any(row.trusted is False for row in rows):
            self._say("trust-offer")
            self._doubted()

    def _say(self, key: str, **values: object) -> None:
        self._tell(text(key, self._lang, **values))
