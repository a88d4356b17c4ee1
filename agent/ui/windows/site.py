"""A site's name as a widget: its parts as plain labels, the look-alike ones marked."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from agent.origins import mixed_labels
from agent.texts import text
from agent.ui.windows.plain import paragraph, plain
from agent.words import site_name


class SiteName(QWidget):
    """The name of a site, large; below it a warning where letters are mixed."""

    def __init__(self, origin: str, lang: str) -> None:
        super().__init__()
        name, suspicious = site_name(origin), mixed_labels(origin)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        if not suspicious:
            column.addWidget(_part(name, "site"))
        else:
            row = QHBoxLayout()
            row.setSpacing(0)
            for position, part in enumerate(name.split(".")):
                if position:
                    row.addWidget(_part(".", "site"))
                marked = part.partition(":")[0] in suspicious
                row.addWidget(_part(part, "lookalike" if marked else "site"))
            row.addStretch()
            column.addLayout(row)
            warning = text("window-lookalike", lang, part=", ".join(suspicious))
            column.addWidget(paragraph(warning, "warning"))
        self.setAccessibleName(name)


def _part(words: str, role: str) -> QLabel:
    label = plain(words, role)
    label.setWordWrap(role == "site" and "." in words)
    return label
