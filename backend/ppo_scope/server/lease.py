"""The control lease: of all the tabs that may control, one does."""

from __future__ import annotations

from collections.abc import Iterable

from ppo_scope.server.client import Client
from ppo_scope.server.roles import Role


class Lease:
    """Who leads. `generation` counts up whenever another tab does; commands with an older one are refused."""

    def __init__(self) -> None:
        self.generation = 0
        self.holder: Client | None = None
        self._tab: str | None = None
        self._before: str | None = None  # who left it, and leads again if it is back soon

    @property
    def led(self) -> bool:
        """Somebody leads, or has left a moment ago and may be back."""
        return self._tab is not None

    def allows(self, client: Client, generation: int) -> bool:
        """Whether a command with this generation from this client counts."""
        return client is self.holder and generation == self.generation

    def arrive(self, client: Client) -> bool:
        """A tab is there, for the first time or again; True if it leads now."""
        if client.role is not Role.CONTROLLER or not (self._tab in (None, client.tab) or self._before == client.tab):
            return False
        before = None if self._before == client.tab else self._before
        self.take(client)
        self._before = before
        return True

    def take(self, client: Client) -> None:
        """This tab leads from now on, whoever led before."""
        if self._tab != client.tab:
            self.generation += 1
        self.holder, self._tab, self._before = client, client.tab, None

    def leave(self, client: Client) -> bool:
        """A connection closed; True if it led. Its tab may come back for the lease until it is freed."""
        if client is not self.holder:
            return False
        self.holder = None
        return True

    def free(self, clients: Iterable[Client]) -> bool:
        """Give the lease of a tab that is gone to the next that may control; True if somebody leads now."""
        if self.holder is None:
            self._tab, self._before = None, self._tab
            return any(self.arrive(client) for client in clients)
        return False

    def forget(self, generation: int) -> None:
        """The tab that led before this generation has been gone for so long that it does not lead again by itself."""
        if generation == self.generation:
            self._before = None
