"""openapi-core as an independent judge of recorded requests and of answers.

    judge = Judge(root, "https://api.example.com")
    judge.complaints(recorded)          []      what openapi-core holds against it
    judge.parameters(recorded)          {("query", "limit"): 3, ...}      how openapi-core reads it

openapi-core has faults of its own; `openapi_faults` tells them by their cause in the document.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from isthmus.mock.judge import CoreRequest, CoreResponse, cookies, spoken
from tests.simulators.openapi_service import Recorded


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with a request: in a parameter, by place and name, or else in the body or the whole."""

    parameter: tuple[str, str] | None
    text: str


@dataclass
class Judge:
    """One document, as openapi-core reads it. `origin` is where the requests went."""

    root: Mapping[str, Any]
    origin: str
    spoken: dict[str, Any] | None = field(default=None, repr=False)  # of the whole document

    def of_path(self, path: str) -> Judge:
        """The same judge, of one path only: openapi-core tries all of them, which takes a second for 10,000."""
        sent = path.partition("#")[0]  # which is all that a request has of it
        return Judge({**self.root, "paths": {sent: self.root["paths"][path]}}, self.origin, self._spoken)

    def complaints(self, recorded: Recorded) -> list[Complaint]:
        """Everything that is wrong with a request."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated parameters
            return [_complaint(error) for error in self._app.iter_request_errors(self._request(recorded))]

    def parameters(self, recorded: Recorded) -> dict[tuple[str, str], Any]:
        """The values of a request's parameters, by place and name; defaults stand for those that are absent."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = self._app.unmarshal_request(self._request(recorded))
        found = result.parameters
        return {
            (place, name): value
            for place in ("path", "query", "header", "cookie")
            for name, value in getattr(found, place).items()
        }

    def answer_errors(self, recorded: Recorded, status: int, headers: Mapping[str, str], content: bytes) -> list[str]:
        """Everything that is wrong with the answer to a request."""
        from werkzeug.datastructures import Headers

        response = CoreResponse(status, headers.get("content-type", ""), Headers(dict(headers)), content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_told(error) for error in self._app.iter_response_errors(self._request(recorded), response)]

    @cached_property
    def _spoken(self) -> dict[str, Any]:
        """What openapi-core has to be told of the whole document."""
        return self.spoken or spoken(self.root)

    @cached_property
    def _app(self) -> Any:
        from openapi_core import Config, OpenAPI
        from openapi_core.unmarshalling.request.unmarshallers import (
            V30RequestParametersUnmarshaller,
            V31RequestParametersUnmarshaller,
        )

        old = str(self.root["openapi"]).startswith("3.0")
        config = Config(
            spec_validator_cls=None,
            request_unmarshaller_cls=V30RequestParametersUnmarshaller if old else V31RequestParametersUnmarshaller,
            **self._spoken,
        )
        return OpenAPI.from_dict(dict(self.root), config=config)

    def _request(self, recorded: Recorded) -> CoreRequest:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        request = CoreRequest(
            self.origin,
            recorded.path,
            recorded.method.lower(),
            recorded.headers.get("content-type", ""),
            recorded.body or None,
            RequestParameters(
                query=ImmutableMultiDict(recorded.pairs),
                header=Headers(dict(recorded.headers)),
                cookie=ImmutableMultiDict(cookies(recorded.headers)),
            ),
        )
        request.parameters.path = self._path_values(request)
        return request

    def _path_values(self, request: CoreRequest) -> dict[str, str]:
        """What stands in the places of the path, each decoded by itself: an escaped slash is no separator."""
        from openapi_core.templating.paths.exceptions import PathError
        from openapi_core.templating.paths.finders import APICallPathFinder

        try:
            found = APICallPathFinder(self._app.spec).find(request.method, request.host_url + request.path)
        except PathError:
            return {}
        return {name: unquote(value) for name, value in found.path_result.variables.items()}


def _complaint(error: Exception) -> Complaint:
    place, name = getattr(error, "location", ""), getattr(error, "name", "")
    return Complaint((place, name) if place else None, _told(error))


def _told(error: BaseException) -> str:
    """An error with its causes: openapi-core keeps what is wrong in the innermost one."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(f"{type(cause).__name__}: {cause}"[:400])
        cause = cause.__cause__
    return " <- ".join(texts)
