"""What upstreams list, for those who need no program: no sandbox, no index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio

from isthmus.compose.access import access_tokens
from isthmus.compose.configured import policy_of, redactor_of, untrusted_logs_off, upstream_of
from isthmus.config.model import Configuration, UpstreamConfig
from isthmus.model import Operation, UpstreamSnapshot, UpstreamState
from isthmus.policy import Policy


async def listed(configuration: Configuration, *, base: Path, seconds: float) -> list[UpstreamSnapshot]:
    """What the upstreams list, without a sandbox and without an index: each once it is ready, or has failed.

    The operations have the effects that the operator gave them, and are those that policy lets be seen.
    One that is not there after `seconds` is told as it stands then.
    """
    policy = policy_of(configuration)
    whole = await listed_whole(configuration, base=base, seconds=seconds)
    return [replace(each, operations=tuple(filter(policy.visible, each.operations))) for each in whole]


async def listed_whole(configuration: Configuration, *, base: Path, seconds: float) -> list[UpstreamSnapshot]:
    """The same, with the operations that policy hides."""
    from isthmus.service.cleaning import Cleaning
    from isthmus.validation import Validation

    policy, validation = policy_of(configuration), Validation()
    redactor = redactor_of(configuration)
    tokens, clean = access_tokens(configuration, base, redactor), Cleaning(redactor)
    untrusted_logs_off()
    found: dict[str, UpstreamSnapshot] = {}

    async def settle(name: str, config: UpstreamConfig) -> None:
        upstream = upstream_of(name, config, configuration, base, validation, tokens)
        settled = anyio.Event()

        def publish(snapshot: UpstreamSnapshot) -> None:
            found[name] = clean.snapshot(snapshot)
            if snapshot.state is not UpstreamState.CONNECTING:
                settled.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.run, publish)
            with anyio.move_on_after(seconds):
                await settled.wait()
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as every:
        for name, config in configuration.upstreams.items():
            every.start_soon(settle, name, config)
    return [_classified(found[name], policy, clean.operation) for name in configuration.upstreams]


def _classified(
    snapshot: UpstreamSnapshot, policy: Policy, clean: Callable[[Operation], Operation]
) -> UpstreamSnapshot:
    return replace(snapshot, operations=tuple(policy.classify(clean(each)) for each in snapshot.operations))
