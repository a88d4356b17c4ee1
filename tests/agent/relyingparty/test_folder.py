"""A folder of CAs: what is taken from it, and what is said of a wrong file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from agent.relyingparty import TokenValidator, load_cas
from tests.agent.relyingparty import pki
from tests.agent.relyingparty.login import NONCE, ORIGIN, Attempt


def pem(*pairs: pki.Pair) -> bytes:
    """Return certificates as PEM, one after the other."""
    return b"".join(pair.cert.public_bytes(Encoding.PEM) for pair in pairs)


def foreigner_ca() -> pki.Pair:
    """Return a Foreigner CA."""
    return pki.ca(pki.name(C="BE", CN="Foreigner CA"), pki.root())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a root and both kinds of CA, in every form."""
    (tmp_path / "root.CRT").write_bytes(pki.der(pki.root().cert))
    (tmp_path / "cas.pem").write_bytes(b"Citizen CA\n" + pem(pki.citizen_ca()))
    (tmp_path / "again.cer").write_bytes(pem(pki.citizen_ca(), foreigner_ca()))
    (tmp_path / "README.txt").write_text("from repository.eid.belgium.be")
    (tmp_path / ".hidden.pem").write_text("an editor's")
    (tmp_path / "old").mkdir()
    return tmp_path


def test_a_login_with_the_cas_of_a_folder(folder: Path) -> None:
    """A token that brings no CA along finds it there."""
    cas = load_cas(folder)
    assert cas.roots == (pki.root().cert,)
    assert len(cas.issuing) == 2
    validator = TokenValidator(
        ORIGIN, cas.roots, intermediates=cas.issuing, revocation=None, now=pki.clock
    )
    identity = validator.validate(Attempt(issuer=None).token(), NONCE)
    assert identity.card_kind == "citizen"


def test_a_folder_is_named_by_text_too(folder: Path) -> None:
    """As it stands in a portal's settings."""
    assert load_cas(str(folder)) == load_cas(folder)


def stranger() -> bytes:
    """A Citizen CA whose root says that it did not sign it."""
    other = pki.Pair(pki.root().cert, pki.key("other"))
    return pem(pki.ca(pki.name(C="BE", CN="Citizen CA", O="x"), other))


def unsigned_root() -> bytes:
    """A root that another key signed."""
    subject = pki.name(C="BE", CN="Belgium Root CA8")
    return pem(pki.ca(subject, pki.ca(subject), ca_key=pki.key("eight")))


WRONG: list[tuple[str, Callable[[], bytes], str]] = [
    ("a person", lambda: pem(pki.holder(pki.citizen_ca())), "not that of a CA"),
    ("the Register", lambda: pem(pki.rrn(pki.root())), "not that of a CA"),
    (
        "another CA",
        lambda: pem(pki.ca(pki.name(CN="Government CA"), pki.root())),
        "neither a root",
    ),
    ("another root's CA", lambda: pem(pki.citizen_ca("RSA-2048")), "not signed by"),
    ("a forged CA", stranger, "not signed by"),
    ("a forged root", unsigned_root, "not signed by"),
    ("nothing", lambda: b"", "cannot be read"),
    ("cut", lambda: pki.der(pki.root().cert)[:-1], "cannot be read"),
    ("longer", lambda: pki.der(pki.root().cert) + b"\0", "cannot be read"),
    ("broken PEM", lambda: pem(pki.root())[:200], "cannot be read"),
    ("a web page", lambda: b"<html>404</html>", "cannot be read"),
]


@pytest.mark.parametrize(
    ("content", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_file_is_named_and_nothing_is_loaded(
    folder: Path, content: Callable[[], bytes], words: str
) -> None:
    """A portal finds out when it starts, and not from its visitors."""
    (folder / "wrong.pem").write_bytes(content())
    with pytest.raises(ValueError, match=rf"^wrong\.pem: .*{words}"):
        load_cas(folder)


def test_a_folder_without_a_root_is_refused(tmp_path: Path) -> None:
    """Nobody could be believed; one that is not there is an OSError."""
    (tmp_path / "ca.pem").write_bytes(pem(pki.citizen_ca()))
    with pytest.raises(ValueError, match="no root"):
        load_cas(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_cas(tmp_path / "missing")
