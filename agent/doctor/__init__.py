"""Finds out what keeps sites from the card: looks at agent, browsers, readers, card.

`findings` is pure; the others look at one thing each and change nothing. No PIN is sent
and no chip is asked (SAFETY 3 and 4). The network is asked for a release alone, where
the person wants that; what it says is kept.
"""
