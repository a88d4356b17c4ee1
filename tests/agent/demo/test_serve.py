"""Where the portal listens."""

from __future__ import annotations

import pytest

from agent.demo.serve import bind_loopback


def test_one_port_on_loopback_alone() -> None:
    """The addresses are loopback ones and share their port."""
    sockets = bind_loopback()
    try:
        names = [sock.getsockname()[:2] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()
    assert {host for host, _port in names} <= {"127.0.0.1", "::1"}
    assert len({port for _host, port in names}) == 1


def test_a_taken_port_is_an_error() -> None:
    """A port that was asked for is not replaced by another."""
    sockets = bind_loopback()
    try:
        with pytest.raises(OSError, match="in use"):
            bind_loopback(sockets[0].getsockname()[1])
    finally:
        for sock in sockets:
            sock.close()
