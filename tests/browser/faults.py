"""What no page may do while it is tested, and what it showed where a test failed."""

from urllib.parse import urlsplit

from playwright.sync_api import Error

LOCAL = {"127.0.0.1", "localhost"}
LOCAL_SCHEMES = {"about", "blob", "data"}
LEGIBLE = 3000  # characters of a page that are shown


class Faults:
    """What a page must not do: errors in its console, and requests that leave the machine."""

    def __init__(self):
        self._seen = []
        self._expected = []
        self._leaving = []
        self._watched = []

    def expect(self, *words):
        """Faults that contain one of these are what the test is about, as when it ends a server."""
        self._expected.extend(words)

    def watch(self, page, leave=None):
        """Note every fault of this page until it is left, by closing it if by nothing else.

        Of requests only those are listened for that fail, as all do that are to leave the machine (`tests.live`): to
        hear of each of the hundreds that a page makes took a sixth of the processor time of opening it.
        """
        listeners = {
            "console": self._note_console,
            "pageerror": lambda error: self._seen.append(f"uncaught: {error}"),
            "requestfailed": lambda request: self._note_request(request.url),
            "websocket": lambda socket: self._note_request(socket.url),
        }
        for event, listener in listeners.items():
            page.on(event, listener)
        self._watched.append(page)

        def end():
            for event, listener in listeners.items():
                page.remove_listener(event, listener)
            (leave or page.close)()

        self._leaving.append(end)

    def leave_pages(self):
        """Leave those that are watched."""
        while self._leaving:
            self._leaving.pop()()

    def shown(self):
        """What stands on the pages now, in words, and what they did that they must not."""
        return "\n\n".join([*(_words(page) for page in self._watched if not page.is_closed()), *self._seen])

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


def _words(page):
    look = "`${document.visibilityState} ${JSON.stringify({...document.body.dataset})}\\n${document.body.innerText}`"
    try:
        return f"{page.url}\n{page.evaluate(look)[:LEGIBLE]}"
    except Error as error:
        return f"{page.url}: {error}"
