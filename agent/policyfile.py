"""The administrator's policy as it stands on this computer; touches that one file.

A file that cannot be used refuses everything: who may write it, and where it is wrong,
is told by `PolicyFile.fault`.
"""

from __future__ import annotations

import logging
from pathlib import Path

from agent import host, policy
from agent.policy import BadPolicy, Policy
from agent.reread import Reread

_log = logging.getLogger(__name__)

_MAX_BYTES = 4 * 1024 * 1024


class PolicyFile:
    """The policy of this computer; it is read again when it has changed."""

    def __init__(self) -> None:
        self.path = host.policy_path()
        self._file = Reread(self.path, _load)

    def now(self) -> Policy:
        """Return what the administrator decided; `closed` where nobody can tell."""
        found = self._file.now()
        return Policy(closed=True) if isinstance(found, BadPolicy) else found

    def fault(self) -> BadPolicy | None:
        """Return what is wrong with the file; None for a good one, and for none."""
        found = self._file.now()
        return found if isinstance(found, BadPolicy) else None


def _load(path: Path) -> Policy | BadPolicy:
    try:
        data = host.read_administered(path)
        if len(data) > _MAX_BYTES:
            raise BadPolicy("reason-too-long")
        return policy.parse(data)
    except FileNotFoundError:
        return Policy()
    except PermissionError:
        fault = BadPolicy("reason-not-administered")
    except OSError:
        fault = BadPolicy("reason-unreadable")
    except BadPolicy as error:
        fault = error
    _log.error("the policy refuses everything: %s", fault.reason)
    return fault
