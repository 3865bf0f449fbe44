"""The door: the token and its cookie, hosts, headers, files."""

import asyncio
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.server.security import Secrets
from ppo_scope.server.static import Frontend, edition_of, frontend
from tests.server.scope_page import Page


def test_the_token_becomes_a_strict_cookie_of_this_port(scripted):
    assert len(scripted.token) >= 43  # 32 bytes
    status, headers, body = scripted.request("POST", "/api/session", {"token": scripted.token}, Origin=scripted.origin)
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    cookie = headers["Set-Cookie"]
    session = json.loads(body)["session"]
    assert len(session) >= 43
    assert session not in cookie
    name, _, attributes = cookie.partition("=")
    assert name == f"ppo_scope_{scripted.port}"
    assert scripted.token not in cookie
    parts = {part.strip().lower() for part in attributes.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts


@pytest.mark.parametrize("body", [{"token": "x" * 43}, {"token": ""}, {"token": "ü"}, {"token": None}, {}, b"{", b"[]"])
def test_anything_else_is_no_token(scripted, body):
    status, headers, answer = scripted.request("POST", "/api/session", body, Origin=scripted.origin)
    assert status in {400, 403}
    assert "Set-Cookie" not in headers
    assert set(json.loads(answer)) == {"code", "message", "detail"}


def test_secrets_are_not_shown_by_accident():
    secrets = Secrets(8000)
    assert secrets.token not in repr(secrets)
    assert secrets.session not in repr(secrets)
    assert secrets.ticket not in repr(secrets)
    assert len({secrets.token, secrets.session, secrets.ticket}) == 3


def test_what_a_page_has_is_of_use_after_a_restart_only_under_the_same_token_and_port():
    def given(port, token):
        return (secrets := Secrets.of(port, token)).session, secrets.ticket

    token = "a-token-that-was-given-to-it"
    assert given(8000, token) == given(8000, token)
    all_of_them = [one for where in ((8000, token), (8001, token), (8000, token + "x")) for one in given(*where)]
    assert len(set(all_of_them)) == 6 and not any(token in one for one in all_of_them)
    assert given(8000, None) != given(8000, None)


@pytest.mark.parametrize("path", ["/", "/api/runs", "/vendor/plotly.min.js", "/missing"])
def test_security_headers_are_everywhere(scripted, path):
    _, headers, _ = scripted.request("GET", path)
    policy = headers["Content-Security-Policy"]
    assert "unsafe-eval" not in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_a_preflight_from_elsewhere_allows_nothing(scripted):
    _, headers, _ = scripted.request(
        "OPTIONS", "/api/runs", Origin="http://evil.example", Access_Control_Request_Method="POST"
    )
    assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "0.0.0.0", ""]
)
def test_other_hosts_are_refused(scripted, host):
    assert scripted.request("GET", "/api/runs", Host=host)[0] == 400


def test_a_tunnel_may_end_at_another_port(scripted):
    for host in ("localhost:9", "127.0.0.1:9", "[::1]:9", "LOCALHOST"):
        assert scripted.request("GET", "/api/runs", Host=host)[0] == 200


TRAVERSALS = [
    "/../pyproject.toml",
    "/%2e%2e/pyproject.toml",
    "/..%2fpyproject.toml",
    "//etc/passwd",
    "/%00",
    "/net/../../x",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_file_outside_of_the_frontend_is_served(scripted, path):
    assert scripted.request("GET", path)[0] == 404


def test_the_page_and_its_modules_are_served_and_revalidated(scripted):
    folder = frontend()
    modules = ["app.js", *(str(path.relative_to(folder)) for path in sorted(folder.rglob("*.css"))[:1])]
    for path in ("", *modules):
        status, headers, body = scripted.request("GET", f"/{path}")
        assert status == 200
        assert path == "" or body == (folder / path).read_bytes()
        assert headers["Cache-Control"] == "no-cache"
        assert scripted.request("GET", f"/{path}", If_None_Match=headers["ETag"])[0] == 304
        if path.endswith(".js"):
            assert headers["Content-Type"].startswith("text/javascript")


def test_the_page_names_its_script_and_its_style_by_their_edition_which_browsers_keep(scripted):
    page = scripted.request("GET", "/")[2].decode()
    found = re.findall(r'(?:src|href)="([^"]+)"', page)
    (edition,) = {path.split("/")[0] for path in found if path.startswith("edition-")}
    assert found == ["styles/icon.svg", f"{edition}/app.css", f"{edition}/app.js"]
    for path in ("app.js", "app.js.map", "app.css"):
        status, headers, body = scripted.request("GET", f"/{edition}/{path}")
        assert (status, headers["Content-Encoding"]) == (200, None) and "immutable" in headers["Cache-Control"]
        status, headers, small = scripted.request("GET", f"/{edition}/{path}", Accept_Encoding="gzip, br")
        assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "accept-encoding")
        assert gzip.decompress(small) == body and len(small) < len(body) / 2
        status, headers, body = scripted.request("GET", f"/edition-0123456789abcdef/{path}")
        assert (status, headers["Cache-Control"]) == (200, "no-cache"), "of an earlier server: asked for again"
    assert json.loads(scripted.request("GET", f"/{edition}/app.js.map")[2])["version"] == 3
    for path in ("nothing.js", "", "index.html", "state/store.js"):
        status, headers, _ = scripted.request("GET", f"/{edition}/{path}")
        assert status == 404 and "immutable" not in (headers["Cache-Control"] or ""), path


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip; q=0", False), ("br,gzip;q=0.0", False), ("identity", False)],
)
def test_nobody_gets_gzip_who_does_not_take_it(scripted, accepted, packed):
    for path in ("/edition-0123456789abcdef/app.css", "/vendor/plotly.min.js"):
        _, headers, _ = scripted.request("GET", path, Accept_Encoding=accepted)
        assert headers["Content-Encoding"] == ("gzip" if packed else None), path


def test_what_an_editor_leaves_beside_a_file_is_no_part_of_the_page(tmp_path):
    for name in ("index.html", "app.js"):
        (tmp_path / name).write_text("1")
    before = edition_of(tmp_path)
    (tmp_path / ".#app.js").write_bytes(b"\xff")
    assert edition_of(tmp_path) is before


def test_a_file_that_is_written_to_makes_another_edition(tmp_path):
    (tmp_path / "index.html").write_text('<script src="app.js"></script>')
    (tmp_path / "app.js").write_text("1")
    served = Frontend(tmp_path)

    def asked(path, **headers):
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        return asyncio.run(served.get_response(path, {"type": "http", "method": "GET", "headers": lines, "path": ""}))

    first = asked(".")
    assert asked(".", **{"if-none-match": first.headers["etag"]}).status_code == 304
    (tmp_path / "app.js").write_text("22")
    second = asked(".", **{"if-none-match": first.headers["etag"]})
    assert second.status_code == 200 and second.body != first.body


def test_plotly_comes_from_the_python_package(scripted):
    import plotly

    file = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    expected = hashlib.sha256(file.read_bytes()).digest()
    status, plain, body = scripted.request("GET", "/vendor/plotly.min.js")
    assert status == 200
    assert hashlib.sha256(body).digest() == expected
    _, headers, small = scripted.request("GET", "/vendor/plotly.min.js", Accept_Encoding="gzip, br")
    assert headers["Content-Encoding"] == "gzip"
    assert len(small) < len(body) / 2
    assert hashlib.sha256(gzip.decompress(small)).digest() == expected
    assert headers["ETag"] != plain["ETag"]
    again = scripted.request("GET", "/vendor/plotly.min.js", Accept_Encoding="gzip", If_None_Match=headers["ETag"])
    assert again[0] == 304
    assert again[2] == b""


def test_a_body_over_16_kilobytes_is_refused(scripted):
    status, _, _ = scripted.request("POST", "/api/session", b" " * 20_000, Origin=scripted.origin)
    assert status == 413


def test_a_new_run_over_http(scripted):
    own = scripted.own()
    status, _, answer = scripted.request("POST", "/api/runs", {"settings": {"clip_range": "0.1"}}, **own)
    assert status == 422
    assert "clip_range" in json.loads(answer)["message"]
    status, _, answer = scripted.request("POST", "/api/runs", {"settings": {"clip_range": 0.1}, "paused": True}, **own)
    assert status == 201
    run = json.loads(answer)
    assert run["settings"]["clip_range"] == 0.1
    assert run["settings"]["epochs"] == Settings().epochs
    assert scripted.run()["id"] == run["id"]


def test_tables_and_health(scripted):
    assert scripted.get("/api/health")["status"] == "ok"
    assert {row["name"] for row in scripted.get("/api/settings")} == set(Settings.model_fields)
    assert scripted.get("/api/metrics")


def test_what_is_not_there_says_so(scripted):
    run = scripted.run()["id"]
    for path in ("/api/runs/none", "/api/runs/none/series", f"/api/runs/{run}/frames/99", "/api/none"):
        status, _, answer = scripted.request("GET", path)
        assert status == 404
        assert json.loads(answer)["code"] == "not_found"
    for path in (
        f"/api/runs/{run}/frames/x",
        f"/api/runs/{run}/series?from=x",
        f"/api/runs/{run}/series?format=csv",
    ):
        status, _, answer = scripted.request("GET", path)
        assert status == 422
        assert json.loads(answer)["code"] == "invalid"


def test_the_token_is_in_no_log(launch):
    server = launch()
    with Page(server, cookie=server.cookie()) as page:
        page.send("{")
        page.wait("error")
    server.request("POST", "/api/session", {"token": "wrong"}, Origin=server.origin)
    server.end()
    assert "".join(server.output).count(server.token) == 1  # the link, once
    assert server.errors == []
