"""The closed sets of codes that travel to pages."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Why a message or request was refused."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    FAILED = "failed"
    NOT_RUNNING = "not_running"
    NOT_FOUND = "not_found"


class CloseCode(IntEnum):
    """Why the server closed a websocket. The websocket library sends `TOO_LARGE` by itself."""

    GOING_AWAY = 1001
    POLICY = 1008
    TOO_LARGE = 1009
    TRY_AGAIN_LATER = 1013
