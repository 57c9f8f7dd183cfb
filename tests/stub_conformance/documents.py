"""The operations of OpenAPI documents: their stubs read, and called through the production upstream."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2

from isthmus.config.model import UpstreamConfig
from isthmus.credentials.static import credential_from
from isthmus.errors import IsthmusError
from isthmus.model import Call, Operation, Principal, SchemaDocument
from isthmus.openapi.swagger import converted
from isthmus.openapi.tokens import without_tokens
from isthmus.upstreams.http import HttpUpstream
from isthmus.upstreams.http_settings import Settings
from tests.simulators.openapi_cases import Case, Tally, origin_of, record, sampled
from tests.simulators.openapi_inputs import makers_for
from tests.simulators.openapi_judge import Judge
from tests.simulators.openapi_service import Recorded
from tests.simulators.samples import NoSample
from tests.simulators.watch import Watch
from tests.stub_conformance.findings import Findings, hold_types, read_stubs


@dataclass
class Recorder(httpx2.AsyncBaseTransport):
    """In place of the network: remembers the last request, and answers that there is nothing to say."""

    last: httpx2.Request | None = field(default=None, init=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.last = request
        return httpx2.Response(204, request=request)

    def recorded(self, operation: str) -> Recorded:
        """The last request, as a service would record it."""
        assert self.last is not None, "nothing was sent"
        path, _, query = self.last.url.raw_path.decode().partition("?")
        headers = {name.lower(): value for name, value in self.last.headers.items()}
        return Recorded(operation, self.last.method, path, query, headers, self.last.content)


async def document_findings(path: Path, count: int | None = None) -> Findings:
    """All operations of a document, or `count` of them from everywhere in it: stubs, types, calls, judgements."""
    name = path.name.removesuffix(".json.gz")
    findings = Findings(name)
    root = _as_judged(json.loads(gzip.decompress(path.read_bytes())))
    schemes = dict.fromkeys(root.get("components", {}).get("securitySchemes", {}), "user:secret")
    config = UpstreamConfig.model_validate(
        {"openapi": str(path), **({"auth": {"schemes": schemes}} if schemes else {}), **_base(root)}
    )
    recorder = Recorder()
    upstream = HttpUpstream("up", config, Settings(transport=recorder))
    async with anyio.create_task_group() as tasks:
        watch = Watch()
        tasks.start_soon(upstream.run, watch)
        snapshot = await watch.settled(within=120)
        findings.refused = snapshot.problem
        chosen = sampled(snapshot.operations, count) if count else snapshot.operations
        findings.operations = len(chosen)
        await _examine(findings, root, chosen, upstream, recorder, config)
        tasks.cancel_scope.cancel()
    return findings


async def _examine(
    findings: Findings,
    root: Mapping[str, Any],
    operations: Sequence[Operation],
    upstream: HttpUpstream,
    recorder: Recorder,
    config: UpstreamConfig,
) -> None:
    makers, judge = makers_for(root), Judge(root, origin_of(root))
    credential = credential_from(config.auth) if config.auth else None
    for operation in operations:
        read = read_stubs(findings, operation)
        if read is None:
            continue
        assert operation.route is not None
        judging, tally = judge.of_path(operation.route.path), Tally()
        for generous in (True, False):
            try:
                case = Case(root, operation, makers.such(generous=generous))
            except NoSample:
                findings.unmade += 1
                continue
            if generous:
                hold_types(findings, operation, read, case.arguments)
            findings.failures += [f"{operation.id}: {one}" for one in case.misfits]
            if case.misfits:
                continue
            try:
                await upstream.call(Call(operation, case.arguments, Principal()), credential)
            except IsthmusError as error:
                findings.failures.append(f"{operation.id}: not sent: {error}")
                continue
            findings.calls += 1
            record(tally, case, judging, recorder.recorded(case.place))
        findings.judged += tally.judged
        findings.partly += tally.partly
        findings.left_out.update(tally.left_out)
        findings.failures += [f"{operation.id}: {one}" for one in tally.disagreements]


def _as_judged(root: dict[str, Any]) -> dict[str, Any]:
    """The document as openapi-core is to know it: not as Swagger 2.0, and without tokens that stand in it twice."""
    return without_tokens(SchemaDocument(converted(root, "") if "swagger" in root else root))


def _base(root: Mapping[str, Any]) -> dict[str, str]:
    """A server that can be called, where the document's is not one; its path stays."""
    servers = root.get("servers") or [{}]
    url = str(servers[0].get("url", ""))
    path = urlsplit(url).path.rstrip("/")
    callable_ = url.startswith("https://") and "{" not in url
    return {} if callable_ else {"base_url": f"https://api.test{'' if '{' in path else path}"}
