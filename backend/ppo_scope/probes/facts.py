"""What a probe reads of the settings that an update is made with."""

from __future__ import annotations

from typing import Any, Protocol

from ppo_scope.ppo.engine import Made


class Facts(Made, Protocol):
    """What an update is made with: what its loss depends on, and the rest. Our table of settings has all of it."""

    @property
    def kl_coef_target(self) -> float | None:
        """The KL that β is adapted to; None: it is fixed."""
        ...

    @property
    def desired_kl(self) -> float | None:
        """The KL that α is adapted to; None: it is not."""
        ...

    @property
    def learning_rate_min(self) -> float:
        """To which it may fall then."""
        ...

    @property
    def learning_rate_max(self) -> float:
        """To which it may rise then."""
        ...

    @property
    def discount(self) -> float | None:
        """γ; None where it is not told."""
        ...

    @property
    def gae_lambda(self) -> float | None:
        """λ of GAE; None where it is not told."""
        ...

    @property
    def max_grad_norm(self) -> float | None:
        """Where ‖∇L‖ is cut off."""
        ...

    @property
    def target_kl(self) -> float | None:
        """The KL that ends an update early."""
        ...

    @property
    def num_envs(self) -> int:
        """N, rows of the layout."""
        ...

    @property
    def rollout_steps(self) -> int:
        """M, steps of each row."""
        ...

    @property
    def epochs(self) -> int:
        """Passes over a rollout, where nothing ends them early."""
        ...

    @property
    def minibatches(self) -> int:
        """Of an epoch."""
        ...

    @property
    def seed(self) -> int:
        """Which rows are shown, where there are too many, follows from it."""
        ...

    @property
    def shared_network(self) -> bool:
        """Whether the critic sits on the policy's layers."""
        ...

    @property
    def activation(self) -> str:
        """tanh or relu."""
        ...

    @property
    def anneal_learning_rate(self) -> bool:
        """Whether α falls to 0 by the end of the run."""
        ...

    @property
    def anneal_clip_range(self) -> bool:
        """Whether ε does."""
        ...

    @property
    def normalize_advantages(self) -> str:
        """off, or over what."""
        ...

    @property
    def normalize_rewards(self) -> bool:
        """Whether rewards are scaled before Â is estimated."""
        ...

    @property
    def normalize_observations(self) -> bool:
        """Whether the networks see observations normalised."""
        ...

    def live(self) -> dict[str, Any]:
        """What can change while the run goes on, by name: a snapshot tells it."""
        ...
