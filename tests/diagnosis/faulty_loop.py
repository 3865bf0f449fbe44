"""Somebody's PPO, shown by `ppo_scope.Scope`, that can be told to make one of the mistakes that people make."""

import torch
from torch import nn
from torch.distributions import Categorical, Normal

import ppo_scope
from tests.attach.elsewhere import nowhere

N, M, ACTIONS, EPISODE = 8, 32, 4, 10
DISCOUNT, LAMBDA, CLIP = 0.95, 0.9, 0.2


class Normaliser:
    """Of observations, by all that it has seen."""

    def __init__(self):
        self.count, self.mean, self.square = 0, torch.zeros(3), torch.ones(3)

    def take(self, seen):
        self.count += len(seen)
        self.mean = self.mean + (seen.mean(0) - self.mean) * len(seen) / self.count
        self.square = self.square + (seen.square().mean(0) - self.square) * len(seen) / self.count

    def __call__(self, seen):
        return (seen - self.mean) / (self.square - self.mean.square() + 1e-6).sqrt()


class World:
    """N walkers of whose three numbers the first tells the best action; its time is up after ten steps.

    `ages`: the last one tells the time, and each step is paid as much as the time is late. `still`: there is one state.
    """

    def __init__(self, *, ages=False, still=False):
        self.ages, self.still, self.generator = ages, still, torch.Generator().manual_seed(1)
        self.time = torch.arange(N) % EPISODE
        self.state = self._drawn()

    def _drawn(self):
        if self.still:
            return torch.full((N, 3), 3.0)
        return 3 + 2 * torch.randn(N, 3, generator=self.generator)

    def step(self, actions):
        """(R, whether time is up, the state that was come to, the state to go on from)"""
        best = torch.tanh((self.state[:, 0] - 3) / 2)
        if actions.dtype == torch.int64:
            paid = 1 - (actions - (best + 1) * 1.5).abs()
        else:
            paid = 1 - (actions.clamp(-1, 1).mean(1) - best).abs()
        drawn = torch.randn(N, 3, generator=self.generator)
        self.state = self._drawn() if self.still else 3 + 0.8 * (self.state - 3) + 1.2 * drawn
        self.time = self.time + 1
        cut, came_to = self.time >= EPISODE, self.state
        self.state = torch.where(cut[:, None], self._drawn(), self.state)
        if self.ages:
            paid = paid + self.time
            came_to[:, 2] = self.time
        self.time = torch.where(cut, 0, self.time)
        if self.ages:
            self.state[:, 2] = self.time
        return paid, cut, came_to


class FaultyLoop:
    """`fault`: the mistake, or none. `continuous`: two numbers to choose, not one of four actions. `ending`: episodes
    end by themselves, where else they are cut. `ages`, `still`: see `World`. `critic`: of its last layer, as it begins.
    `spoilt`: a reward of its second rollout under the fault "one reward".

    `paid_ahead`: the rewards that are told hold γ·V(s′) where an episode is cut, as its advantages take them.

    `env`: the name that the loop gives of its world.

    `value_coef`, `entropy_coef`: c₁ and c₂ of its loss, as it tells them.

    `cuts_off`: by how much δ of each rollout's cut steps is off what it should be, in the mean.
    """

    def __init__(
        self,
        fault=None,
        *,
        env=None,
        continuous=False,
        masked=False,
        ending=False,
        ages=False,
        still=False,
        paid_ahead=False,
        epochs=3,
        minibatches=4,
        rate=3e-3,
        critic=1,
        spoilt=0.0,
        value_coef=0.5,
        entropy_coef=0.0,
    ):
        torch.manual_seed(0)
        self.fault, self.continuous, self.masked, self.ending = fault, continuous, masked, ending
        self.epochs, self.minibatches, self.spoilt = epochs, minibatches, spoilt
        self.paid_ahead, self.value_coef, self.entropy_coef = paid_ahead, value_coef, entropy_coef
        width = 2 if continuous else ACTIONS
        middle = nn.Dropout(0.3) if fault == "dropout" else nn.Identity()
        self.policy = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), middle, nn.Linear(32, width))
        self.critic = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
        with torch.no_grad():
            for one in self.critic[-1].parameters():
                one *= critic
        self.log_sigma, self.cuts_off = nn.Parameter(torch.zeros(2)), []
        self.world, self.normaliser = World(ages=ages, still=still), Normaliser()
        weights = [*self.policy.parameters(), *self.critic.parameters(), self.log_sigma]
        self.adam = torch.optim.Adam(weights, lr=rate, eps=1e-5)
        self.scope = ppo_scope.Scope(
            env=env or f"with the fault {fault}",
            clip_range=CLIP,
            value_coef=value_coef,
            entropy_coef=entropy_coef,
            discount=DISCOUNT,
            gae_lambda=LAMBDA,
            epochs=epochs,
            minibatches=minibatches,
            learning_rate=rate,
            policy="gaussian" if continuous else "discrete",
            url=nowhere(),
        )

    @property
    def health(self):
        return self.scope.watcher._report._health

    def outputs(self, seen, mask=None):
        made = self.policy(seen)
        if self.continuous:
            return torch.cat([made, self.log_sigma.expand_as(made)], -1)
        if self.fault in ("double softmax", "hidden double softmax"):
            made = made.softmax(-1)
        if self.fault == "hidden double softmax":
            made = made.log_softmax(-1)  # as torch's own Categorical shows its logits
        return made if mask is None else made.masked_fill(~mask, -1e8)

    def log_probs(self, outputs, actions):
        if self.continuous:
            mean, log_sigma = outputs.chunk(2, -1)
            policy = Normal(mean, log_sigma.exp())
            return policy.log_prob(actions).sum(-1), policy.entropy().sum(-1)
        policy = Categorical(logits=outputs)
        return policy.log_prob(actions), policy.entropy()

    @torch.no_grad()
    def collect(self):
        kept = {
            name: []
            for name in ("seen", "raw", "mask", "actions", "log_probs", "values", "rewards", "cut", "outputs", "after")
        }
        self.policy.train()
        for _ in range(M):
            raw = self.world.state
            if self.fault != "normaliser between":
                self.normaliser.take(raw)
            seen = self.normaliser(raw)
            mask = torch.rand(N, ACTIONS) > 0.3 if self.masked else torch.ones(N, ACTIONS, dtype=torch.bool)
            mask[:, 0] = True
            outputs = self.outputs(seen, None if self.fault == "unmasked acting" else mask)
            if self.fault == "bfloat16":
                with torch.autocast("cpu", torch.bfloat16):
                    outputs = self.outputs(seen, mask).float()
            mean, log_sigma = outputs.chunk(2, -1)
            drawn = Normal(mean, log_sigma.exp()).sample() if self.continuous else Categorical(logits=outputs).sample()
            paid, cut, came_to = self.world.step(drawn)
            actions = drawn.clamp(-1, 1) if self.fault == "clipped actions" else drawn
            judged = self.outputs(seen) if self.fault == "unmasked log π" else outputs
            found = {"seen": seen, "raw": raw, "mask": mask, "actions": actions, "rewards": paid, "cut": cut}
            found |= {"log_probs": self.log_probs(judged, drawn)[0], "values": self.critic(seen)[:, 0]}
            found |= {"outputs": outputs, "after": self.critic(self.normaliser(came_to))[:, 0]}
            for name, one in found.items():
                kept[name].append(one)
        kept = {name: torch.stack(rows) for name, rows in kept.items()}
        kept["next"] = torch.cat([kept["values"][1:], self.critic(self.normaliser(self.world.state)).T])
        return kept

    def advantages(self, kept):
        values, cut = kept["values"], kept["cut"]
        at_cut = {"zero bootstrap": torch.zeros_like(values), "own bootstrap": values, "next bootstrap": kept["next"]}
        if self.ending:
            return self.until_the_end(kept)
        following = torch.where(cut, at_cut.get(self.fault, kept["after"]), kept["next"])
        self.cuts_off.append(DISCOUNT * float((following - kept["after"])[cut].square().mean().sqrt()))
        return self.sums(kept["rewards"] + DISCOUNT * following - values, ~cut)

    def sums(self, deltas, goes_on):
        found, later = torch.zeros_like(deltas), torch.zeros(N)
        for t in reversed(range(M)):
            later = found[t] = deltas[t] + DISCOUNT * LAMBDA * goes_on[t] * later
        return found

    def until_the_end(self, kept):
        goes_on, following = (~kept["cut"]).float(), kept["next"].clone()
        if self.fault == "no ends":
            goes_on = torch.ones_like(goes_on)
        elif self.fault == "late ends":
            goes_on = torch.cat([torch.ones(1, N), goes_on[:-1]])
        elif self.fault == "early ends":
            goes_on = torch.cat([goes_on[1:], torch.ones(1, N)])
        elif self.fault == "last by zero":
            following[-1] = 0
        ends = 1 if self.fault == "value after the end" else goes_on
        return self.sums(kept["rewards"] + DISCOUNT * ends * following - kept["values"], goes_on)

    def order(self, update_order):
        if self.fault == "never shuffled":
            return torch.arange(M * N)
        return update_order if self.fault == "shuffled once" else torch.randperm(M * N)

    def train(self, updates):
        """So many updates; the loop."""
        for update in range(updates):
            kept = self.collect()
            if self.fault == "one reward" and update == 1:
                kept["rewards"][M // 2, 1] = self.spoilt
            advantages = self.advantages(kept)
            targets = advantages + kept["values"]
            if self.paid_ahead:
                kept["rewards"] = kept["rewards"] + DISCOUNT * kept["after"] * kept["cut"]
            if self.fault == "scaled targets":
                targets = (targets - targets.mean()) / targets.std()
            if self.fault == "weights moved":
                with torch.no_grad():
                    for one in self.policy.parameters():
                        one += 0.05 * torch.randn_like(one)
            if self.fault == "normaliser between":
                self.normaliser.take(kept["raw"].flatten(0, 1))
            if self.fault in ("moving normaliser", "normaliser between"):
                kept["seen"] = self.normaliser(kept["raw"])
            if self.fault == "written over":
                kept["seen"] = kept["seen"][-1].expand(M, N, 3).clone()
            untold = self.fault == "ends untold"
            told = torch.zeros_like(kept["cut"]) if self.fault == "ends unnoticed" else kept["cut"]
            self.scope.rollout(
                actions=kept["actions"],
                rewards=kept["rewards"],
                log_probs=kept["log_probs"],
                values=kept["values"],
                advantages=advantages,
                returns=targets,
                dones=None if untold else told,
                truncated=None if untold else told & (not self.ending),
                observations=kept["seen"],
                outputs=kept["outputs"],
                learning_rate=self.adam.param_groups[0]["lr"],
            )
            flat = {name: one.flatten(0, 1) for name, one in kept.items()}
            raw, targets, drawn = advantages.flatten(), targets.flatten(), torch.randperm(M * N)
            for _ in range(self.epochs):
                for samples in self.order(drawn).chunk(self.minibatches):
                    self.step(flat, samples, raw[samples], targets[samples])
            self.scope.update()
            if self.fault == "schedule beyond its end":
                self.adam.param_groups[0]["lr"] -= 1e-3
        self.scope.close()
        return self

    def step(self, flat, samples, raw, targets):
        mask = None if self.fault == "unmasked loss" else flat["mask"][samples]
        outputs = self.outputs(flat["seen"][samples], mask)
        log_prob, entropy = self.log_probs(outputs, flat["actions"][samples])
        used = (raw - raw.mean()) / (raw.std() + 1e-8)
        ratio = (log_prob - flat["log_probs"][samples]).exp()
        if self.fault == "broadcast raw":
            used = raw
        weighted = used[:, None] if self.fault in ("broadcast policy", "broadcast raw") else used
        policy_loss = torch.maximum(-weighted * ratio, -weighted * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
        values = self.critic(flat["seen"][samples])
        if self.fault != "broadcast":
            values = values.squeeze(-1)
        value_loss = (values - targets).square().mean()
        if self.fault == "half":
            value_loss = value_loss / 2
        loss = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy.mean()
        self.scope.minibatch(
            samples=samples,
            log_prob=log_prob,
            advantages=used,
            values=values.reshape(-1),
            entropy=entropy,
            loss=loss,
            policy_loss=policy_loss,
            value_loss=value_loss,
        )
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


class Groups:
    """GRPO in small: of each prompt G answers of T tokens, judged by their first, with advantages of their group."""

    def __init__(self, *, prompts=4, group=8, tokens=5, possible=1.0):
        torch.manual_seed(0)
        self.prompts, self.group, self.tokens, self.possible = prompts, group, tokens, possible
        self.logits = nn.Parameter(torch.zeros(prompts, 6))
        self.adam = torch.optim.Adam([self.logits], lr=0.05)
        self.scope = ppo_scope.Scope(env="groups", clip_range=0.2, value_coef=0.0, url=nowhere())

    @property
    def health(self):
        return self.scope.watcher._report._health

    def train(self, updates):
        for _ in range(updates):
            prompt = torch.arange(self.prompts).repeat_interleave(self.group)
            policy = Categorical(logits=self.logits[prompt])
            answers = policy.sample((self.tokens,))
            log_probs = policy.log_prob(answers).detach()
            paid = ((answers[0] == prompt % 6) & (prompt < self.possible * self.prompts)).float()
            groups = paid.view(self.prompts, self.group)
            advantage = ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()
            table = advantage.expand(self.tokens, -1)
            zeros = torch.zeros_like(table)
            rewards = torch.cat([zeros[1:], paid[None]])
            ends = torch.zeros_like(table, dtype=torch.bool)
            ends[-1] = True
            self.scope.rollout(
                actions=answers, rewards=rewards, log_probs=log_probs, values=zeros, advantages=table, dones=ends
            )
            for _ in range(2):
                for samples in torch.randperm(answers.numel()).chunk(2):
                    now = Categorical(logits=self.logits[prompt]).log_prob(answers).flatten()[samples]
                    used = table.flatten()[samples]
                    ratio = (now - log_probs.flatten()[samples]).exp()
                    loss = torch.maximum(-used * ratio, -used * ratio.clamp(0.8, 1.2)).mean()
                    self.scope.minibatch(samples=samples, log_prob=now, advantages=used, policy_loss=loss)
                    self.adam.zero_grad()
                    loss.backward()
                    self.adam.step()
            self.scope.update()
        self.scope.close()
        return self


class Rare:
    """A table: in the usual state one action is best; in the rare one the favourite is always the worst.

    α rises from update to update, as where a schedule is written the wrong way round.
    """

    def __init__(self, *, rises=1.25):
        torch.manual_seed(0)
        self.rises, self.logits = rises, nn.Parameter(torch.zeros(2, 3))
        self.adam = torch.optim.Adam([self.logits], lr=0.008)
        self.scope = ppo_scope.Scope(env="rare", clip_range=0.1, value_coef=0.0, epochs=8, minibatches=4, url=nowhere())

    @property
    def health(self):
        return self.scope.watcher._report._health

    def train(self, updates):
        for _ in range(updates):
            state = (torch.rand(M, N) < 0.05).long()
            favourite = self.logits[1].argmax()
            policy = Categorical(logits=self.logits[state])
            actions = policy.sample()
            log_probs = policy.log_prob(actions).detach()
            paid = torch.where(state == 0, actions == 0, actions != favourite).float()
            zeros = torch.zeros(M, N)
            raw = paid - torch.where(state == 0, paid[state == 0].mean(), 0.5)
            self.scope.rollout(actions=actions, rewards=paid, log_probs=log_probs, values=zeros, advantages=raw)
            for _ in range(8):
                for samples in torch.randperm(M * N).chunk(4):
                    now = Categorical(logits=self.logits[state.flatten()[samples]]).log_prob(actions.flatten()[samples])
                    used, ratio = raw.flatten()[samples], (now - log_probs.flatten()[samples]).exp()
                    loss = torch.maximum(-used * ratio, -used * ratio.clamp(0.9, 1.1)).mean()
                    self.scope.minibatch(samples=samples, log_prob=now, advantages=used, policy_loss=loss)
                    self.adam.zero_grad()
                    loss.backward()
                    self.adam.step()
            self.adam.param_groups[0]["lr"] *= self.rises
            self.scope.update()
        self.scope.close()
        return self


def said(loop):
    """Names of all that was ever found, by severity."""
    return {row["name"]: row["severity"] for row in loop.health.history()}


def evidence(loop, name):
    """(summary, cause, remedy) of what is found now."""
    found = next(finding for finding in loop.health.findings() if finding["name"] == name)
    return found["summary"], found["cause"], found["remedy"]
