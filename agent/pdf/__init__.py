"""PDF documents: inspected, shown as pictures, signed and validated.

A document is read by a child process alone (`worker`), which never sees a PIN and can
open nothing (SAFETY 18); `process` is the agent's side, which believes nothing of what
the child says about a signature before it has checked it.
"""
