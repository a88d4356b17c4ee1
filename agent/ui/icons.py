"""The tray's icons, drawn from simple shapes; pure.

Each state has a shape of its own, so that no colour has to be seen. The tile below is
dark with a light edge: it stands out on light and dark panels alike.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from agent.ui.traystate import State, TrayState

SIZE = 64
TILE, INK = "#1e293b", "#f8fafc"
#: Drawn larger and made smaller, which smooths the edges.
_SCALE = 4


def icon(shown: TrayState) -> Image.Image:
    """Return a picture of `SIZE` pixels square, without transparent pixels.

    A tray of X11 shows transparent ones as black.
    """
    image = Image.new("RGBA", (SIZE * _SCALE, SIZE * _SCALE), TILE)
    pen = _Pen(ImageDraw.Draw(image))
    pen.frame(0, 0, 63, 63, 2)
    _DRAWINGS[shown.state](pen)
    if shown.virtual:
        _test(pen)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in the light colour, in units of the small picture."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def line(self, *points: float, width: float = 6, ink: str = INK) -> None:
        scaled = [point * _SCALE for point in points]
        self._draw.line(scaled, ink, round(width * _SCALE), joint="curve")

    def box(self, *corners: float, ink: str = INK) -> None:
        self._draw.rectangle([corner * _SCALE for corner in corners], ink)

    def frame(
        self, left: float, top: float, right: float, bottom: float, width: float = 5
    ) -> None:
        box = [side * _SCALE for side in (left, top, right + 1, bottom + 1)]
        self._draw.rectangle(box, outline=INK, width=round(width * _SCALE))

    def dot(self, x: float, y: float, radius: float, ink: str = INK) -> None:
        box = [
            side * _SCALE for side in (x - radius, y - radius, x + radius, y + radius)
        ]
        self._draw.ellipse(box, ink)

    def shape(self, *points: float, ink: str = INK) -> None:
        self._draw.polygon([point * _SCALE for point in points], ink)


def _no_reader(pen: _Pen) -> None:
    """Draw a cross."""
    pen.line(16, 16, 48, 48, width=7)
    pen.line(48, 16, 16, 48, width=7)


def _no_card(pen: _Pen) -> None:
    """Draw an empty reader: a box, open above."""
    pen.line(12, 22, 12, 52, 52, 52, 52, 22, width=5)
    pen.line(22, 34, 42, 34, width=5)


def _ready(pen: _Pen) -> None:
    """Draw a card with its chip."""
    pen.box(8, 16, 56, 48)
    pen.box(15, 24, 27, 34, ink=TILE)
    pen.line(15, 41, 48, 41, width=3, ink=TILE)


def _busy(pen: _Pen) -> None:
    """Draw three dots."""
    for x in (15, 32, 49):
        pen.dot(x, 32, 6.5)


def _problem(pen: _Pen) -> None:
    """Draw a triangle with an exclamation mark."""
    pen.shape(32, 9, 57, 54, 7, 54)
    pen.line(32, 24, 32, 40, width=5, ink=TILE)
    pen.dot(32, 47, 3, ink=TILE)


def _test(pen: _Pen) -> None:
    """Draw a T in the upper right corner: a test card."""
    pen.box(40, 0, 63, 23)
    pen.box(44, 4, 59, 8, ink=TILE)
    pen.box(49.5, 4, 53.5, 20, ink=TILE)


_DRAWINGS = {
    State.NO_READER: _no_reader,
    State.NO_CARD: _no_card,
    State.READY: _ready,
    State.BUSY: _busy,
    State.PROBLEM: _problem,
}
