"""A program is looked at before it starts, with what is known at that moment; what is looked for is `preflight`'s."""

from __future__ import annotations

from isthmus.gateway import Gateway
from isthmus.model import UpstreamState
from isthmus.preflight import Finding, Known, preflight
from isthmus.privacy.veil import Veil
from isthmus.service.catalogs import View
from isthmus.service.sessions import Session


def look_ahead(source: str, view: View, gateway: Gateway, session: Session, veil: Veil | None) -> tuple[Finding, ...]:
    """The calls of a program that cannot succeed, where at least one is certain to be made."""
    ready = frozenset(name for name, each in view.snapshots.items() if each.state is UpstreamState.READY)
    known = Known(
        view.catalog,
        ready,
        gateway.policy,
        session.principal,
        gateway.validate,
        taken=session.may_hold,
        opaque=veil.holds_tokens if veil else lambda _: False,
        configured=frozenset(view.snapshots),
    )
    return preflight(source, known)
