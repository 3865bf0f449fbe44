"""Who may do what: the one table of every route and every message. What is not in it is refused."""

from enum import StrEnum


class Role(StrEnum):
    """What a connection may do."""

    VIEWER = "viewer"
    """Whoever reaches the server on loopback: may watch."""
    CONTROLLER = "controller"
    """Who brought the token, and now brings both the cookie and the secret given for it: may control."""


class Access(StrEnum):
    """What a route or a message asks for."""

    PUBLIC = "public"
    VIEWER = "viewer"
    CONTROLLER = "controller"
    TOKEN = "token"
    """Who sends the token itself with the request: a program, such as a training loop elsewhere."""

    def admits(self, role: Role) -> bool:
        """Whether this role may pass."""
        return self in {Access.PUBLIC, Access.VIEWER} or (self is Access.CONTROLLER and role is Role.CONTROLLER)


ROUTES: dict[tuple[str, str], Access] = {
    ("GET", "/api/health"): Access.PUBLIC,
    ("POST", "/api/session"): Access.PUBLIC,
    ("GET", "/api/settings"): Access.VIEWER,
    ("GET", "/api/metrics"): Access.VIEWER,
    ("GET", "/api/presets"): Access.VIEWER,
    ("GET", "/api/environments"): Access.VIEWER,
    ("GET", "/api/health-checks"): Access.VIEWER,
    ("GET", "/api/runs"): Access.VIEWER,
    ("POST", "/api/runs"): Access.CONTROLLER,
    ("GET", "/api/comparison"): Access.VIEWER,
    ("GET", "/api/sweeps/{name}"): Access.VIEWER,
    ("GET", "/api/kept"): Access.VIEWER,
    ("GET", "/api/kept/{kept_id}"): Access.VIEWER,
    ("DELETE", "/api/kept/{kept_id}"): Access.CONTROLLER,
    ("GET", "/api/runs/{run_id}"): Access.VIEWER,
    ("GET", "/api/runs/{run_id}/series"): Access.VIEWER,
    ("GET", "/api/runs/{run_id}/frames/{update}"): Access.VIEWER,
    ("GET", "/api/runs/{run_id}/moments"): Access.VIEWER,
    ("GET", "/api/runs/{run_id}/moments/{sequence}"): Access.VIEWER,
    ("GET", "/api/runs/{run_id}/pictures/{update}/{environment}/{step}"): Access.VIEWER,
    ("GET", "/vendor/plotly.min.js"): Access.PUBLIC,
    ("WEBSOCKET", "/ws"): Access.VIEWER,
    ("WEBSOCKET", "/attach"): Access.TOKEN,
    ("POST", "/attach/script"): Access.TOKEN,
}
"""(method, path) → who may. The frontend's files, mounted at `STATIC`, are public."""

STATIC = ""

MESSAGES: dict[str, Access] = {
    "resume": Access.VIEWER,
    "heartbeat": Access.VIEWER,
    "watch": Access.VIEWER,
    "open": Access.VIEWER,
    "play": Access.CONTROLLER,
    "pause": Access.CONTROLLER,
    "step": Access.CONTROLLER,
    "set": Access.CONTROLLER,
    "redo": Access.CONTROLLER,
    "keep": Access.CONTROLLER,
    "cancel": Access.CONTROLLER,
    "restart": Access.CONTROLLER,
    "end": Access.CONTROLLER,
    "take_control": Access.CONTROLLER,
}
"""Type of a message → who may send it."""
