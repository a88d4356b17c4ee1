"""Facts about the card's files, shared by client and virtual card; pure, no I/O.

Source: applet manuals 1.7 and 1.8, card content 5.1 and 6; file names on disk as in
the project's card-folder format.
"""

from __future__ import annotations

import enum

#: AID of the Belpic applet instance, selected by default after a reset.
APPLET_AID = bytes.fromhex("A00000003029057000AD13100101FF")

MF = 0x3F00
DF_BELPIC = 0xDF00
DF_ID = 0xDF01

#: What the project's virtual cards say in bytes 17 to 20 of GET CARD DATA, in place of
#: a chip's numbers and versions of operating system and softmask. On whatever road such
#: a card comes, nobody takes it for a genuine one, and none of those says TEST there.
TEST_MARK = b"TEST"
TEST_MARK_AT = slice(17, 21)


@enum.unique
class EF(enum.Enum):
    """An elementary file: (path below the MF, name in a card folder or None)."""

    DIR = ((0x2F00,), None)
    ODF = ((DF_BELPIC, 0x5031), None)
    TOKEN_INFO = ((DF_BELPIC, 0x5032), None)
    AODF = ((DF_BELPIC, 0x5034), None)
    PRKDF = ((DF_BELPIC, 0x5035), None)
    CDF = ((DF_BELPIC, 0x5037), None)
    AUTHENTICATION = ((DF_BELPIC, 0x5038), "authentication.der")
    SIGNATURE = ((DF_BELPIC, 0x5039), "signature.der")
    CA = ((DF_BELPIC, 0x503A), "ca.der")
    ROOT = ((DF_BELPIC, 0x503B), "root.der")
    RRN = ((DF_BELPIC, 0x503C), "rrn.der")
    IDENTITY = ((DF_ID, 0x4031), "identity.tlv")
    IDENTITY_SIGNATURE = ((DF_ID, 0x4032), "identity-signature.bin")
    ADDRESS = ((DF_ID, 0x4033), "address.tlv")
    ADDRESS_SIGNATURE = ((DF_ID, 0x4034), "address-signature.bin")
    PHOTO = ((DF_ID, 0x4035), "photo.jpg")
    ROLE_KEY_HASH = ((DF_ID, 0x4038), None)
    PREFERENCES = ((DF_ID, 0x4039), None)
    BASIC_KEY = ((DF_ID, 0x4040), "basic-key.der")

    def __init__(self, path: tuple[int, ...], file_name: str | None) -> None:
        #: File identifiers from below the MF down to the file.
        self.path = path
        #: The file's own identifier.
        self.fid = path[-1]
        #: Name in a card folder; None for those that are derived or invented.
        self.file_name = file_name


#: Files that hold one DER certificate, possibly followed by zero padding.
CERTIFICATES = frozenset({EF.AUTHENTICATION, EF.SIGNATURE, EF.CA, EF.ROOT, EF.RRN})


@enum.unique
class Key(enum.IntEnum):
    """Private key references (applet manuals, table of keys)."""

    BASIC = 0x81
    AUTHENTICATION = 0x82
    NON_REPUDIATION = 0x83


#: ATRs by applet (card content 2.3); 1.0, 1.1 and 1.7 share one family.
ATR_1_7 = bytes.fromhex("3B9813400AA503010101AD1311")
ATR_1_8 = bytes.fromhex("3B7F96000080318065B085040120120FFF829000")
