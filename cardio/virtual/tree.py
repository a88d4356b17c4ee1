"""The card's files and which of them is selected; pure, no I/O.

Source: applet manuals 2.2 and 6 (SELECT FILE), card content 4.3 and 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping

from cardio.apdu import SW
from cardio.errors import MalformedData
from cardio.files import APPLET_AID, DF_BELPIC, DF_ID, EF, MF
from cardio.tlv import encode, parse
from cardio.virtual.command import Refused

_BELPIC_AID = bytes.fromhex("A000000177504B43532D3135")
_ID_AID = bytes.fromhex("A0000001774964 46696C6573")
_FOLDERS = (MF, DF_BELPIC, DF_ID)
#: Files that READ RECORD takes for a row of tag, length and value.
_RECORDS = {EF.IDENTITY, EF.ADDRESS}


class Tree:
    """Folders and files of one card, and the selection in them."""

    def __init__(self, files: Mapping[EF, bytes], *, id_aid: bool) -> None:
        """`id_aid` tells that DF(ID) has an AID of its own (up to applet 1.7)."""
        self._content = files
        self._by_path = {ef.path: ef for ef in files}
        self._aids = {APPLET_AID: MF, _BELPIC_AID: DF_BELPIC}
        if id_aid:
            self._aids[_ID_AID] = DF_ID
        self.reset()

    def reset(self) -> None:
        """Make the MF the current folder, without a current file."""
        self._enter(MF)

    def select_fid(self, data: bytes) -> None:
        """Select a file of the current folder, or any folder; as issued cards do."""
        if len(data) != 2:
            raise Refused(SW.LC_INCONSISTENT)
        fid = int.from_bytes(data, "big")
        if fid in _FOLDERS:
            self._enter(fid)
        else:
            self._open((fid,) if self._folder == MF else (self._folder, fid))

    def select_path(self, data: bytes) -> None:
        """Select by path from the MF.

        The manuals give it without 3F00 and for files only; programs send it with
        3F00 and for folders, too, and issued cards take that.
        """
        if not data or len(data) % 2:
            raise Refused(SW.LC_INCONSISTENT)
        path = tuple(
            int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)
        )
        if path[0] == MF:
            path = path[1:]
        if not path:
            self._enter(MF)
        elif len(path) == 1 and path[0] in _FOLDERS:
            self._enter(path[0])
        else:
            self._open(path)

    def select_aid(self, data: bytes) -> None:
        """Select the folder of an application identifier."""
        if not 5 <= len(data) <= 16:
            raise Refused(SW.LC_INCONSISTENT)
        if data not in self._aids:
            raise Refused(SW.FILE_NOT_FOUND)
        self._enter(self._aids[data])

    def _enter(self, folder: int) -> None:
        self._folder = folder
        self._file: EF | None = None

    def _open(self, path: tuple[int, ...]) -> None:
        """Select a file; a selection that fails leaves the one before in force."""
        if path not in self._by_path:
            raise Refused(SW.FILE_NOT_FOUND)
        self._folder = path[0] if len(path) > 1 else MF
        self._file = self._by_path[path]

    @property
    def current(self) -> EF:
        """The current file."""
        if self._file is None:
            raise Refused(SW.NO_CURRENT_EF)
        return self._file

    def read(self, offset: int) -> bytes:
        """Return the current file from an offset to its end, never nothing."""
        content = self._content[self.current]
        if offset >= len(content):
            raise Refused(SW.WRONG_OFFSET)
        return content[offset:]

    def records(self, first: int, last: int) -> bytes:
        """Return the current file's records from one tag to another, both included."""
        current = self.current
        try:
            fields = parse(self._content[current]) if current in _RECORDS else None
        except MalformedData:
            fields = None
        if fields is None:
            raise Refused(SW.NOT_A_RECORD_FILE)
        if first not in fields or last not in fields or last < first:
            raise Refused(SW.RECORD_NOT_FOUND)
        return encode({tag: fields[tag] for tag in fields if first <= tag <= last})
