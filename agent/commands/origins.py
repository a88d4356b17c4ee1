"""`eid-agent origins list|allow|revoke`: the sites that may use the agent.

Touches the data folder, and looks at the administrator's policy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from agent import host
from agent.commands import Failure, Usage, answer, data_dir, say
from agent.commands.reasons import Located, Words
from agent.origins import CAPABILITIES, BadOrigin, Grant, end, normalised
from agent.originstore import OriginsRefused, OriginStore, today
from agent.policy import Policy
from agent.policyfile import PolicyFile
from agent.texts import text


def origin(url: str) -> str:
    """Return the origin that a person named, as browsers write it; Usage."""
    try:
        return normalised(url)
    except BadOrigin as error:
        reason = Words(error.reason)
        raise Usage("cli-origin", value=repr(url), reason=reason) from None


def policy_fault(lang: str, file: PolicyFile) -> str | None:
    """Return the sentence about a policy that cannot be used, None for a good one."""
    fault = file.fault()
    if fault is None:
        return None
    at = ""
    if fault.line:
        pointer = "" if fault.pointer is None else f" ({fault.pointer or '/'})"
        at = text("policy-at", lang, line=fault.line, pointer=pointer)
    reason = text(fault.reason, lang)
    return text("policy-bad", lang, path=file.path, reason=reason, at=at)


def main(options: argparse.Namespace) -> int:
    """Run one of the actions."""
    actions: dict[str, Callable[[argparse.Namespace, OriginStore], int]] = {
        "list": _list,
        "allow": _allow,
        "revoke": _revoke,
    }
    folder = data_dir(options.data_dir)
    try:
        return actions[options.action](options, OriginStore(folder))
    except OriginsRefused as error:
        reason = Words(error.reason)
        raise Failure("origins-refused", path=error.path, reason=reason) from None
    except OSError as error:
        raise Failure("cli-data-dir", reason=Located(folder, error)) from None


def _list(options: argparse.Namespace, store: OriginStore) -> int:
    grants, file = store.read().grants, PolicyFile()
    fault, policy = policy_fault(options.lang, file), file.now()
    if options.json:
        answer(json.dumps(_to_json(grants, policy), indent=1))
    else:
        lines = [grant_line(grant, options.lang) for grant in grants]
        lines += policy_lines(policy, options.lang)
        for line in lines or [text("origins-none", options.lang)]:
            answer(line)
    if fault is not None:
        say(fault)
    return 0 if fault is None else 1


def _to_json(grants: tuple[Grant, ...], policy: Policy) -> dict[str, object]:
    return {
        "origins": [
            {
                "origin": grant.origin,
                "capability": grant.capability,
                "data": list(grant.data),
                "oneCard": grant.card is not None,
                "until": grant.until.isoformat(),
            }
            for grant in grants
        ],
        "policy": {
            "usable": not policy.closed,
            "allow": sorted(policy.allow),
            "deny": sorted(policy.deny),
            "pinned": policy.pinned,
            "ask": policy.ask,
        },
    }


def grant_line(grant: Grant, lang: str) -> str:
    """Return what a site may do, and until when, in words."""
    return text(
        "origins-command" if grant.card is None else "origins-always",
        lang,
        origin=grant.origin,
        capability=text(f"capability-{grant.capability}", lang),
        data=", ".join(text(f"data-{part}", lang) for part in grant.data) or "-",
        until=grant.until.isoformat(),
    )


def policy_lines(policy: Policy, lang: str) -> list[str]:
    """Return what the administrator decided, in words."""
    lines = [
        text(f"origins-policy-{what}", lang, origin=origin)
        for what, listed in (
            ("allow", policy.allow - policy.deny),
            ("deny", policy.deny),
        )
        for origin in sorted(listed)
    ]
    if policy.pinned:
        lines.append(text("origins-policy-pinned", lang))
    elif not policy.ask:
        lines.append(text("origins-policy-ask", lang))
    return lines


def _allow(options: argparse.Namespace, store: OriginStore) -> int:
    """Store a grant without a question, for one capability or for all."""
    whom, until = origin(options.url), end(today())
    chosen = [options.capability] if options.capability else CAPABILITIES
    grants = tuple(Grant(whom, capability, until) for capability in chosen)
    host.make_data_dir(data_dir(options.data_dir))
    store.add(lambda _: grants)
    for grant in grants:
        answer(grant_line(grant, options.lang))
    _explain(whom, options.lang)
    return 0


def _explain(whom: str, lang: str) -> None:
    """Say when the policy makes nothing of what was just stored."""
    file = PolicyFile()
    if (fault := policy_fault(lang, file)) is not None:
        say(fault)
    elif file.now().denies(whom, granted=True):
        say(text("origins-policy-deny", lang, origin=whom))


def _revoke(options: argparse.Namespace, store: OriginStore) -> int:
    """Remove every grant of a site; a running agent notices by itself."""
    whom = origin(options.url)
    if not store.revoke(whom):
        raise Failure("origins-unknown", origin=whom)
    return 0
