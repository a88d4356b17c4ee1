"""Certificates of any form, through every door: only our own refusals come out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asn1crypto import x509 as asn1
from hypothesis import example, given
from hypothesis import strategies as st

from agent import relyingparty as rp
from tests.agent.relyingparty import cards, pki
from tests.agent.relyingparty.login import NONCE, Attempt, b64

_RSA = pki.citizen_ca("RSA-2048")
_LOGIN = Attempt(
    holder=pki.holder(_RSA), issuer=_RSA.cert, trusted=(pki.root("RSA-2048").cert,)
)
_TOKEN = _LOGIN.token()
_CARD = cards.Card.rsa()
_FILES = _CARD.files()
#: Every door with a certificate that is good there.
DOORS = {
    "holder": pki.der(_LOGIN.holder.cert),
    "issuer": pki.der(_RSA.cert),
    "rrn": pki.der(_CARD.rrn.cert),
}


def present(door: str, certificate: bytes) -> None:
    """Bring a certificate where a page may bring one."""
    if door == "rrn":
        cards.verify(cards.answer({**_FILES, "rrnCertificate": certificate}))
        return
    names = {"holder": "unverifiedCertificate", "issuer": "issuerCertificate"}
    token = {**_TOKEN, names[door]: b64(certificate)}
    _LOGIN.validator().validate(token, NONCE)


def _with_time(data: bytes, which: str, digits: str) -> bytes:
    """Put a GeneralizedTime of 14 digits into a certificate, whatever it means."""
    place_holder = b"\x18\x0f20600101000000Z"
    certificate = asn1.Certificate.load(data)
    certificate["tbs_certificate"]["validity"][which] = asn1.Time.load(place_holder)
    made = certificate.dump(force=True)
    assert place_holder in made
    return made.replace(place_holder, b"\x18\x0f" + digits.encode() + b"Z", 1)


@pytest.mark.parametrize("door", DOORS)
def test_the_doors_are_open_to_what_is_good(door: str) -> None:
    """Else the tests below would show nothing."""
    present(door, DOORS[door])


@pytest.mark.parametrize("which", ["not_before", "not_after"])
@pytest.mark.parametrize(
    ("door", "refusal"),
    [
        ("holder", rp.CertificateMalformed),
        ("issuer", rp.IssuerMalformed),
        ("rrn", rp.CertificateMalformed),
    ],
)
def test_a_year_that_no_calendar_has(
    door: str, refusal: type[Exception], which: str
) -> None:
    """The parser takes the year 0; reading the date fails."""
    changed = _with_time(DOORS[door], which, "00000101000000")
    with pytest.raises(refusal):
        present(door, changed)


# --- whatever comes ------------------------------------------------------------------

_DIGITS = st.text("0123456789", min_size=14, max_size=14)
_TIMES = st.tuples(
    st.sampled_from(["not_before", "not_after"]), _DIGITS | st.just("0" * 14)
)
_TAGS = st.sampled_from([0x00, 0x02, 0x03, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x30])


@st.composite
def _edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Replace, take out or put in a few bytes at up to three places."""
    places = draw(
        st.lists(
            st.tuples(
                st.floats(0, 0.999),
                st.integers(0, 3),
                st.binary(max_size=4) | _TAGS.map(lambda tag: bytes([tag])),
            ),
            min_size=1,
            max_size=3,
        )
    )

    def edit(data: bytes) -> bytes:
        for where, length, new in places:
            at = int(where * len(data))
            data = data[:at] + new + data[at + length :]
        return data

    return edit


def _refused_or_unchanged(door: str, data: bytes) -> None:
    try:
        present(door, data)
    except rp.RelyingPartyError:
        return
    assert data.startswith(DOORS[door])  # padding behind a certificate is not read


@given(st.sampled_from(sorted(DOORS)), _edits())
def test_any_change_ends_in_a_refusal_of_ours(
    door: str, edit: Callable[[bytes], bytes]
) -> None:
    """No parser's exception leaves the library."""
    _refused_or_unchanged(door, edit(DOORS[door]))


@example("holder", ("not_after", "00000101000000"))
@given(st.sampled_from(sorted(DOORS)), _TIMES)
def test_any_time_ends_in_a_refusal_of_ours(door: str, time: tuple[str, str]) -> None:
    """Whether a calendar has it or not."""
    which, digits = time
    _refused_or_unchanged(door, _with_time(DOORS[door], which, digits))
