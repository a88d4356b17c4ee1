"""The virtual card's panel: a page on loopback for developers, with test cards only."""
