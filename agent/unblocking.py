"""What a person does about a blocked PIN, by the generation of the card; pure.

No program can unblock a card: up to applet 1.7 it takes the PUK of the letter that came
with the card, on 1.8 a role that the municipality has (card content 3.1).
"""

from __future__ import annotations


def blocked_key(applet: str) -> str:
    """Return the key of the sentence that says where to go and what to bring."""
    return "pin-blocked-no-puk" if applet == "1.8" else "pin-blocked-puk"
