"""Fixtures around the private PC/SC service; loaded by tests/conftest.py."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("smartcard", reason="pyscard is not installed")

from smartcard import scard

from tests.rig.pcscd import NoPcscd, Pcscd


@pytest.fixture(scope="session", autouse=True)
def pcscd_folder() -> Iterator[Path]:
    """Bind this process to the shared service, before a test can bind it elsewhere.

    winscard keeps where its first call looked, also where nothing is there yet.
    """
    with tempfile.TemporaryDirectory(prefix="pcscd-", ignore_cleanup_errors=True) as at:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PCSCLITE_CSOCK_NAME", str(Pcscd.socket_in(Path(at))))
            scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        yield Path(at)


@pytest.fixture(scope="session")
def pcscd_service(pcscd_folder: Path) -> Iterator[Pcscd]:
    """One service for all tests that only put cards in and take them out."""
    try:
        service = Pcscd(pcscd_folder)
    except NoPcscd as reason:
        pytest.skip(str(reason))
    with service:
        yield service


@pytest.fixture
def pcscd(pcscd_service: Pcscd, monkeypatch: pytest.MonkeyPatch) -> Pcscd:
    """The service, with this process and its children pointed at it."""
    for name, value in pcscd_service.env.items():
        monkeypatch.setenv(name, value)
    return pcscd_service


@pytest.fixture
def own_pcscd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pcscd]:
    """A service of this test's own, which it may stop, for programs that it starts.

    In this process winscard may be bound to the shared service for good.
    """
    try:
        service = Pcscd()
    except NoPcscd as reason:
        pytest.skip(str(reason))
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    with service:
        yield service
