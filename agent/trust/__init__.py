"""Where browsers keep whom they trust, and how the agent's own CA gets in and out.

One module a kind of store, each with `check`, `install` and `remove`; `work` does it
for many, `record` knows where it was done, `renewal` replaces a CA that ends.
"""
