"""Who is at the other end of a connection of ours; a value, touches nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

#: Host and port, as `socket.getpeername` begins.
Address = tuple[str, int]

#: What stands for the name of a program that does not show it.
UNKNOWN = "?"

#: Browsers by the name of their program; any other is named to the person.
_BROWSERS = frozenset(
    {
        "brave",
        "brave-browser",
        "chrome",
        "chromium",
        "com.apple.webkit.networking",
        "epiphany",
        "falkon",
        "firefox",
        "firefox-bin",
        "firefox-esr",
        "google chrome",
        "google chrome helper",
        "librewolf",
        "microsoft edge",
        "microsoft edge helper",
        "msedge",
        "opera",
        "safari",
        "vivaldi",
        "vivaldi-bin",
        "webkitnetworkprocess",
    }
)


@dataclass(frozen=True)
class Peer:
    """A process that connected to us.

    `same_user` tells whether it runs as the user that we run as. `find_program` returns
    the name of its program, or None where the system does not tell; it may take a
    tenth of a second.
    """

    same_user: bool
    find_program: Callable[[], str | None]

    def stranger(self) -> str | None:
        """Return the name of a program that is no known browser, None for a browser.

        UNKNOWN where the system does not tell. A program can give itself any name: this
        shows an accident or a clumsy attack, it stops nobody.
        """
        name = self.find_program() or UNKNOWN
        return None if name.lower().removesuffix(".exe") in _BROWSERS else name


@dataclass(frozen=True)
class Listener:
    """Who listens on a port.

    `everywhere` tells that other computers reach it, as far as no firewall is in the
    way; `program` is None where the system does not tell.
    """

    everywhere: bool
    program: str | None = None


def plain(address: Address) -> Address:
    """Return an address with an IPv4-mapped IPv6 one as what it stands for."""
    host, port = address
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip), port
