"""eid-agent: lets web pages use the Belgian identity card."""

__version__ = "0.1.0"
