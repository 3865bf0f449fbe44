"""Every route and every message is in the table of roles, and the table is what happens."""

import json

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ppo_scope.ppo.settings import Settings
from ppo_scope.server.app import Setup, create_app
from ppo_scope.server.roles import MESSAGES, ROUTES, STATIC, Access
from ppo_scope.server.security import Secrets
from ppo_scope.wire import messages
from tests.server.scope_page import Page


@pytest.fixture
def routes(tmp_path):
    (tmp_path / "index.html").write_text("")
    app = create_app(Setup(settings=Settings(), secrets=Secrets(1), frontend=tmp_path))
    found = {}
    for route in app.routes:
        if isinstance(route, APIRoute):
            found.update({(method, route.path): route for method in route.methods})
        elif isinstance(route, APIWebSocketRoute):
            found["WEBSOCKET", route.path] = route
        else:
            assert isinstance(route, Mount) and route.name == "static" and route.path == STATIC, route
    return found


def test_every_route_is_classified_and_nothing_else(routes):
    assert set(routes) == set(ROUTES)


def test_every_message_is_classified_and_nothing_else():
    types = {model.model_fields["type"].annotation.__args__[0] for model in messages.TYPES}
    assert types == set(MESSAGES)
    assert set(messages.TYPES) == set(messages.AnyMessage.__args__)


def path_of(template, run):
    return (
        template.replace("{run_id}", run)
        .replace("{kept_id}", run)
        .replace("{update}", "0")
        .replace("{sequence}", "1")
        .replace("{environment}", "0")
        .replace("{step}", "0")
    )


def half_controllers(server):
    """Headers of those who have got hold of one half of what it takes, or have guessed: each alone opens nothing."""
    whole = server.own()
    cookie, secret, name = whole["Cookie"], whole["X_PPO_Scope_Session"], f"ppo_scope_{server.port}"
    return [
        {"Cookie": cookie},
        {"X_PPO_Scope_Session": secret},
        {"Cookie": cookie, "X_PPO_Scope_Session": "guessed"},
        {"Cookie": f"{name}=guessed", "X_PPO_Scope_Session": secret},
        {"Cookie": f"{name}={secret}", "X_PPO_Scope_Session": cookie.partition("=")[2]},
        {"Cookie": f"{name}=", "X_PPO_Scope_Session": ""},
        {"Cookie": f"{name}={server.token}", "X_PPO_Scope_Session": server.token},
    ]


BODIES = {"/api/session": {"token": "wrong"}, "/api/runs": {"settings": {"clip_range": "0.2"}}}
HTTP = [(method, path, access) for (method, path), access in ROUTES.items() if method != "WEBSOCKET"]


@pytest.mark.parametrize(("method", "path", "access"), HTTP)
def test_http_as_nobody_viewer_and_controller(scripted, method, path, access):
    run, body = scripted.run()["id"], BODIES.get(path) if method == "POST" else None
    target = path_of(path, run)
    strangers = [{"Host": "evil.example"}]
    if method in ("POST", "DELETE"):
        strangers += [
            {},
            {"Origin": "null"},
            {"Origin": "http://evil.example"},
            {"Origin": "http://127.0.0.1:1"},
        ]
    for stranger in strangers:
        assert scripted.request(method, target, body, **stranger)[0] in {400, 403}

    own = {"Origin": scripted.origin} if method in ("POST", "DELETE") else {}
    for credentials in (*half_controllers(scripted), {}):
        status, _, answer = scripted.request(method, target, body, **own, **credentials)
        if access in (Access.CONTROLLER, Access.TOKEN):
            assert status == 403
            assert json.loads(answer)["code"] == "forbidden"
        elif path == "/api/session":
            assert status == 403  # the token is wrong
        else:
            assert status in {200, 404}

    status, _, _ = scripted.request(method, target, body, **{**scripted.own(), **own})
    if access is Access.TOKEN:  # a page that may control is no script
        assert status == 403
        return
    expected = {"/api/session": {403}, "/api/runs": {200, 422}}
    assert status in expected.get(path, {200, 404})
    assert scripted.run()["id"] == run


def websocket_status(server, **headers):
    """None where the websocket opens, else the refusal's status."""
    host = headers.pop("Host", server.host)
    origin = headers.pop("Origin", server.origin)
    try:
        # The name in the address becomes the Host header; the connection itself goes to the server.
        import socket

        bare = socket.create_connection(("127.0.0.1", server.port))
        with connect(f"ws://{host}/ws", sock=bare, origin=origin, additional_headers=headers):
            return None
    except InvalidStatus as refusal:
        return refusal.response.status_code


def test_the_websocket_as_nobody_and_viewer(scripted):
    assert websocket_status(scripted) is None
    assert websocket_status(scripted, Host="evil.example", Origin="http://evil.example") == 400
    assert websocket_status(scripted, Origin=None) == 403
    assert websocket_status(scripted, Origin="null") == 403
    assert websocket_status(scripted, Origin="http://evil.example") == 403
    assert websocket_status(scripted, Origin=f"https://{scripted.host}") == 403
    assert websocket_status(scripted, Origin="http://127.0.0.1:1") == 403
    assert websocket_status(scripted, Origin=f"http://localhost:{scripted.port}") == 403
    assert websocket_status(scripted, Host="127.0.0.1.evil.example", Origin="http://127.0.0.1.evil.example") == 400
    # through a tunnel whose near end has another port
    assert websocket_status(scripted, Host="localhost:9", Origin="http://localhost:9") is None
    assert websocket_status(scripted, Host="[::1]:9", Origin="http://[::1]:9") is None


FIELDS = {
    "watch": {"probes": []},
    "take_control": {},
    "play": {"lease": 1},
    "pause": {"lease": 1},
    "step": {"lease": 1, "size": "update"},
    "redo": {"lease": 1, "settings": {}},
    "keep": {"lease": 1, "which": "old"},
    "cancel": {"lease": 1},
    "set": {"lease": 1, "name": "clip_range", "value": 0.1},
    "restart": {"lease": 1, "settings": {}},
    "end": {"lease": 1},
    "open": {},
}


HALVES = ["nothing", "the cookie alone", "the secret alone", "a wrong secret", "a wrong cookie"]


@pytest.fixture(params=HALVES)
def watching(scripted, request):
    """A page that may only watch: it has one half of what it takes to control, at most."""
    cookie = scripted.cookie()
    cookies = {"the cookie alone": cookie, "a wrong secret": cookie, "a wrong cookie": cookie.partition("=")[0] + "=x"}
    secrets = {"the secret alone": scripted.session, "a wrong secret": "x", "a wrong cookie": scripted.session}
    with Page(scripted, cookie=cookies.get(request.param), session=secrets.get(request.param)) as page:
        yield page


def test_every_message_as_who_watches(scripted, page, watching):
    viewer = watching
    assert "role" not in viewer.hello
    assert [m["type"] for m in viewer.messages if m["type"] != "heartbeat"][:2] == ["hello", "role"]
    assert viewer.role == "viewer"
    before = scripted.run()
    requests = set(MESSAGES) - {"resume", "heartbeat"}
    assert requests == set(FIELDS)
    for type in sorted(requests):
        fields = {**FIELDS[type], **({"run": before["id"]} if type == "open" else {})}
        if "lease" in fields:
            fields["lease"] = page.lease["generation"]  # a stolen generation is of no use
        viewer.say(type=type, id=type, **fields)
        reply = viewer.reply(type)
        if MESSAGES[type] is Access.CONTROLLER:
            assert reply["code"] == "forbidden"
            assert "link printed in the terminal" in reply["message"]
        else:
            assert reply["type"] == "ack"
    viewer.say(type="heartbeat")
    assert scripted.run() == before
    assert page.lease == page.lease | {"holder": True}


def test_every_message_as_controller(scripted, page):
    assert page.role == "controller"
    run = scripted.run()["id"]
    for type in ("watch", "take_control", "play", "pause", "step", "set", "restart"):
        fields = {**FIELDS[type]}
        if "lease" in fields:
            fields["lease"] = page.lease["generation"]
        page.say(type=type, id=type, **fields)
        assert page.reply(type) == {"type": "ack", "id": type}
    assert scripted.run()["id"] != run
