"""The ASGI application of ``trainwright serve``: health, schema, predict, metrics. JSON in, JSON out.

A request is data (`trainwright.apps.scoring_requests`): nothing in it names a file or code. One request is read and
scored at a time, in a thread, so that health and metrics answer meanwhile.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from trainwright import __version__
from trainwright.apps.scoring_requests import MOST_ROWS, BadRequest, answer_to, describe_request
from trainwright.apps.serving_metrics import Counters
from trainwright.core.errors import DataRefused, SpecError, TrainwrightError
from trainwright.core.jsonable import JsonValue, to_json

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from trainwright.stages.scoring import OpenModel

_SHOWN_CATEGORIES = 50  # of one column in /schema (assumption: what a form would list)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_PATHS = ("/health", "/schema", "/predict", "/metrics")

_Message: TypeAlias = MutableMapping[str, Any]  # ASGI's own dictionaries
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]
_App: TypeAlias = Callable[[_Message, _Receive, _Send], Awaitable[None]]


def make_app(model: "OpenModel", counters: Counters, *, host: str, max_body_bytes: int) -> _App:
    """The application, with its counters around it.

    Requests to a loopback ``host`` must name one in their Host header: a web page cannot reach it under another name.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def health(request: "Request") -> "Response":
        return _answer({"status": "ok", "model": model.delivered.name, "version": __version__})

    async def schema(request: "Request") -> "Response":
        return _answer(describe(model))

    async def metrics(request: "Request") -> "Response":
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(counters.text(), media_type="text/plain; version=0.0.4")

    async def predict(request: "Request") -> "Response":
        return await _predict(model, counters, request, max_body_bytes)

    app = Starlette(
        routes=[
            Route("/health", health),
            Route("/schema", schema),
            Route("/metrics", metrics),
            Route("/predict", predict, methods=["POST"]),
        ],
        exception_handlers=_handlers(),
    )
    return _counted(app, counters, hosts=_LOOPBACK if host in _LOOPBACK else ())


def describe(model: "OpenModel") -> dict[str, JsonValue]:
    """What a row must have, and what an answer has."""
    features: list[JsonValue] = []
    for column in model.schema.features:
        one: dict[str, JsonValue] = {"name": column.name, "kind": column.kind.value}
        if column.categories:
            one |= {
                "categories": list(column.categories[:_SHOWN_CATEGORIES]),
                "more": len(column.categories) > _SHOWN_CATEGORIES,
            }
        features.append(one)
    return {
        "model": model.delivered.name,
        "task": model.target.task.value,
        "target": model.target.expression,
        "classes": list(model.target.classes),
        "features": features,
        "request": describe_request(model),
        "most_rows": MOST_ROWS,
    }


async def _predict(model: "OpenModel", counters: Counters, request: "Request", most_bytes: int) -> "Response":
    from anyio import to_thread

    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, f"the content type must be application/json, got {kind[:60] or 'none'}")
    body = await _body(request, most_bytes)
    try:
        predicted, findings = await to_thread.run_sync(answer_to, model, body, limiter=counters.one_at_a_time())
    except (DataRefused, SpecError) as error:
        raise BadRequest(422, error.message) from error
    counters.rows += len(predicted)
    return _answer(
        {
            "predictions": [to_json(row) for row in predicted.to_dict(orient="records")],
            "findings": [f.to_json() for f in findings if f.code != "drift.not_checked"],
        }
    )


async def _body(request: "Request", most_bytes: int) -> bytes:
    """The body; no more of it is held than is allowed, whatever its length says."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise BadRequest(413, f"the body may have {most_bytes:,} bytes; score larger tables with `predict`")
        parts.append(part)
    return b"".join(parts)


def _answer(value: Mapping[str, JsonValue], status: int = 200) -> "Response":
    from starlette.responses import Response

    return Response(json.dumps(value, allow_nan=False), status_code=status, media_type="application/json")


def _error(status: int, what: str) -> "Response":
    return _answer({"status": "error", "code": status, "error": what}, status)


def _handlers() -> "dict[Any, Callable[[Request, Any], Awaitable[Response]]]":
    from starlette.exceptions import HTTPException

    async def refused(request: "Request", error: Any) -> "Response":
        return _error(error.status, error.what)

    async def by_route(request: "Request", error: Any) -> "Response":
        words = {404: f"nothing here; there are {', '.join(_PATHS)}", 405: f"{request.method} is not answered here"}
        return _error(error.status_code, words.get(error.status_code, str(error.detail)))

    async def ours(request: "Request", error: Any) -> "Response":
        return _error(500, f"the model could not answer ({type(error).__name__})")

    return {BadRequest: refused, HTTPException: by_route, TrainwrightError: ours, Exception: ours}


def _counted(app: "Starlette", counters: Counters, *, hosts: tuple[str, ...]) -> _App:
    """Count every request by path and status, and the time it took; refuse other names than ``hosts``, where given."""

    async def counted(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        status, began = 500, time.perf_counter()

        async def watched(message: _Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        named = _host_of(scope)
        try:
            if hosts and named not in hosts:
                await _error(400, f"this server has no name {named!r:.80}")(scope, receive, watched)
            else:
                await app(scope, receive, watched)
        finally:
            path = scope["path"] if scope["path"] in _PATHS else "other"
            counters.request(path, status, time.perf_counter() - began)

    return counted


def _host_of(scope: _Message) -> str:
    """The Host header without its port."""
    found = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    return found if found.endswith("]") else re.sub(r":\d+$", "", found)
