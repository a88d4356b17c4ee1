"""The demonstration: a housing company's portal, and a browser that trusts it.

Nothing is kept on disk but a browser profile, which is removed at the end.
"""
