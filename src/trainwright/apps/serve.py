"""``trainwright serve``: a model over HTTP, on this machine unless somebody says otherwise."""

import importlib.util
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from trainwright.apps.answer import Answer, JsonFlag, TrustFlag, examples, surroundings
from trainwright.apps.screen import Screen
from trainwright.apps.serving_metrics import Counters
from trainwright.core.errors import ResourceMissing, missing_extra
from trainwright.core.jsonable import JsonValue

_GRACE_S = 5  # a request under way may finish after Ctrl-C (assumption: scoring 10,000 rows takes less)
_MOST_AT_ONCE = 64  # connections; more are answered with 503 (assumption: one machine, one model)


def serve_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a handoff folder alone.")],
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, metavar="N", help="0 takes a free one and says which.")
    ] = 8000,
    max_body_mb: Annotated[
        int, typer.Option("--max-body-mb", min=1, max=1000, metavar="N", help="Largest request, in MB.")
    ] = 10,
    trust_code: TrustFlag = False,
    json: JsonFlag = False,
) -> Answer:
    """Score rows, images or texts over HTTP.

    It answers at /predict, /schema, /health and /metrics, until Ctrl-C ends it. There is no password: whoever reaches
    the address can ask. It listens on this machine only, unless --host says more.
    """
    from trainwright import pipeline
    from trainwright.apps.scoring_app import make_app
    from trainwright.report.words import plural

    for module in ("starlette", "uvicorn"):
        if importlib.util.find_spec(module) is None:
            raise missing_extra(module, "serve")
    model = pipeline.open_model(run, trust_code=trust_code)
    counters = Counters()
    app = make_app(model, counters, host=host, max_body_bytes=max_body_mb * 1_000_000)
    with _listening(host, port) as found:
        url = _url(host, found.getsockname()[1])
        _announce(surroundings(context).progress, model.delivered.name, url, host)
        _run(app, found)

    def render(screen: Screen) -> None:
        requests = plural(sum(counters.requests.values()), "request")
        screen.say(("✓ ", "green"), f"stopped after {requests}, {plural(counters.rows, 'row')}")

    told: dict[str, JsonValue] = {
        "status": "ok",
        "url": url,
        "requests": sum(counters.requests.values()),
        "rows": counters.rows,
    }
    return Answer(value=told, render=render)


def _announce(screen: Screen, name: str, url: str, host: str) -> None:
    screen.say((name, "bold"), "  on ", (url, "bold cyan"), ("  Ctrl-C ends it", "dim"))
    screen.say(f"  curl -s {url}/schema")
    if host not in ("127.0.0.1", "localhost", "::1"):
        screen.say(("! ", "yellow"), f"{host} can be reached from elsewhere, and there is no password")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens: who connects from now on is served.

    Raises:
        ResourceMissing: the address is taken, or not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ResourceMissing(f"cannot listen on {host}: {error.strerror or error}") from error
    with found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen()
        except OSError as error:
            fix = "Name another with --port; 0 takes a free one."
            raise ResourceMissing(f"cannot listen on {host}:{port}: {error.strerror or error}. {fix}") from error
        yield found


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(app: object, found: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; what is under way gets `_GRACE_S` seconds."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE_S,
    )
    with _signals_left_to_the_server():
        uvicorn.Server(config).run(sockets=[found])


@contextmanager
def _signals_left_to_the_server() -> Iterator[None]:
    """uvicorn sends itself again, when it is done, the signal that ended it; the end it asks for has come by then."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMANDS = (
    (
        serve_command,
        examples(
            "trainwright serve runs/churn-20261123-0712-a1b2",
            "trainwright serve handoff --port 0",
            """curl -s localhost:8000/predict -H 'content-type: application/json' -d '{"rows": [{"tenure": 3}]}'""",
        ),
    ),
)
