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

    @property
    def led(self) -> bool:
        """Somebody leads, or has left a moment ago and may be back."""
        return self._tab is not None

    def allows(self, client: Client, generation: int) -> bool:
        """Whether a command with this generation from this client counts."""
        return client is self.holder and generation == self.generation

    def arrive(self, client: Client) -> bool:
        """A tab is there, for the first time or again; True if it leads now."""
        if client.role is not Role.CONTROLLER or self._tab not in (None, client.tab):
            return False
        self.take(client)
        return True

    def take(self, client: Client) -> None:
        """This tab leads from now on."""
        if self._tab != client.tab:
            self.generation += 1
        self.holder, self._tab = client, client.tab

    def leave(self, client: Client) -> bool:
        """A connection closed; True if it led. Its tab may come back for the lease until it is freed."""
        if client is not self.holder:
            return False
        self.holder = None
        return True

    def free(self, clients: Iterable[Client]) -> bool:
        """Give the lease of a tab that is gone to the next that may control; True if somebody leads now."""
        if self.holder is None:
            self._tab = None
            return any(self.arrive(client) for client in clients)
        return False
