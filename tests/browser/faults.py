"""What no page may do while it is tested."""

from urllib.parse import urlsplit

LOCAL = {"127.0.0.1", "localhost"}
LOCAL_SCHEMES = {"about", "blob", "data"}


class Faults:
    """What a page must not do: errors in its console, and requests that leave the machine."""

    def __init__(self):
        self._seen = []
        self._expected = []
        self._leaving = []

    def expect(self, *words):
        """Faults that contain one of these are what the test is about, as when it ends a server."""
        self._expected.extend(words)

    def watch(self, page, leave=None):
        """Note every fault of this page until it is left, by closing it if by nothing else."""
        listeners = {
            "console": self._note_console,
            "pageerror": lambda error: self._seen.append(f"uncaught: {error}"),
            "request": lambda request: self._note_request(request.url),
            "websocket": lambda socket: self._note_request(socket.url),
        }
        for event, listener in listeners.items():
            page.on(event, listener)

        def end():
            for event, listener in listeners.items():
                page.remove_listener(event, listener)
            (leave or page.close)()

        self._leaving.append(end)

    def leave_pages(self):
        """Leave those that are watched."""
        while self._leaving:
            self._leaving.pop()()

    def unexpected(self):
        return [fault for fault in self._seen if not any(word in fault for word in self._expected)]

    def _note_console(self, message):
        if message.type == "error":
            where = message.location.get("url", "")
            self._seen.append(f"console: {message.text} ({where})")

    def _note_request(self, url):
        parts = urlsplit(url)
        if parts.scheme not in LOCAL_SCHEMES and parts.hostname not in LOCAL:
            self._seen.append(f"left the machine: {url}")
