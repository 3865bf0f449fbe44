"""A small PPO in JAX on CartPole, shown by `ppo_scope.Scope`; run as a program.

    python -m tests.attach.libraries.jax_loop UPDATES [--plain]

Prints the digest of its weights. `--plain`: without the lines that show it.
"""

import hashlib
import sys

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

import ppo_scope

M, N, EPOCHS, SIZE = 32, 4, 2, 64
CLIP, VALUE, ENTROPY, ALPHA = 0.2, 0.5, 0.01, 3e-3
DISCOUNT, LAMBDA = 0.99, 0.95


def fresh(key, sizes):
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (i, o)) / np.sqrt(i), jnp.zeros(o))
        for k, i, o in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def through(layers, x):
    for weights, bias in layers[:-1]:
        x = jnp.tanh(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


@jax.jit
def judged(theta, seen):
    return through(theta["policy"], seen), through(theta["critic"], seen)[:, 0]


def told(theta, seen, actions):
    logits, values = judged(theta, seen)
    each = jax.nn.log_softmax(logits)
    log_prob = jnp.take_along_axis(each, actions[:, None], 1)[:, 0]
    return log_prob, values, -(jnp.exp(each) * each).sum(1)


def loss(theta, batch):
    log_prob, values, entropy = told(theta, batch["seen"], batch["actions"])
    ratio = jnp.exp(log_prob - batch["log_probs"])
    clipped = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
    used = batch["advantages"]
    policy = -jnp.minimum(ratio * used, clipped * used).mean()
    value = jnp.square(values - batch["returns"]).mean()
    total = policy + VALUE * value - ENTROPY * entropy.mean()
    return total, (total, policy, value, log_prob, values, entropy)


differentiated = jax.jit(jax.grad(loss, has_aux=True))
step = jax.jit(lambda theta, slope: jax.tree.map(lambda one, d: one - ALPHA * d, theta, slope))


def estimated(rewards, values, dones, following):
    advantages, running = np.zeros_like(rewards), 0.0
    for t in reversed(range(M)):
        going_on = 1.0 - dones[t]
        delta = rewards[t] + DISCOUNT * following * going_on - values[t]
        running = delta + DISCOUNT * LAMBDA * going_on * running
        advantages[t], following = running, values[t]
    return jnp.asarray(advantages)


def main(updates, *, plain=False, **options):
    """(the digest of the weights, what the loop's own losses were: one (L, L_PG, L_VF) for each minibatch)"""
    key = jax.random.key(0)
    key, first, second = jax.random.split(key, 3)
    theta = {"policy": fresh(first, (4, 16, 2)), "critic": fresh(second, (4, 16, 1))}
    envs = gym.make_vec("CartPole-v1", N, vectorization_mode="sync")
    state, _ = envs.reset(seed=0)
    scope = None
    if not plain:
        scope = ppo_scope.Scope(
            env="CartPole-v1",
            clip_range=CLIP,
            value_coef=VALUE,
            entropy_coef=ENTROPY,
            learning_rate=ALPHA,
            policy="discrete",
            judge=lambda seen: judged(theta, seen),
            weights=lambda: jax.tree.leaves(theta),
            **options,
        )
    own = []
    for _ in range(updates):
        rows = {name: [] for name in ("seen", "actions", "log_probs", "values", "rewards", "dones")}
        for _ in range(M):
            key, drawing = jax.random.split(key)
            logits, values = judged(theta, state)
            actions = jax.random.categorical(drawing, logits)
            log_probs, _, _ = told(theta, state, actions)
            rows["seen"].append(state)
            state, rewards, terminated, truncated, _ = envs.step(np.asarray(actions))
            for name, found in (("actions", actions), ("log_probs", log_probs), ("values", values)):
                rows[name].append(found)
            rows["rewards"].append(np.float32(rewards))
            rows["dones"].append(terminated | truncated)
        by_step = {name: jnp.stack([jnp.asarray(one) for one in found]) for name, found in rows.items()}
        rewards, values, dones = (np.asarray(by_step[name]) for name in ("rewards", "values", "dones"))
        by_step["advantages"] = estimated(rewards, values, dones, np.asarray(judged(theta, state)[1]))
        by_step["returns"] = by_step["advantages"] + by_step["values"]
        if scope is not None:
            scope.rollout(observations=by_step["seen"], **{n: a for n, a in by_step.items() if n != "seen"})
        flat = {name: found.reshape(M * N, *found.shape[2:]) for name, found in by_step.items()}
        for _ in range(EPOCHS):
            key, drawing = jax.random.split(key)
            order = jax.random.permutation(drawing, M * N)
            for start in range(0, M * N, SIZE):
                samples = order[start : start + SIZE]
                batch = {name: found[samples] for name, found in flat.items()}
                used = batch["advantages"]
                batch["advantages"] = (used - used.mean()) / (used.std() + 1e-8)
                slope, (*terms, log_prob, seen_values, entropy) = differentiated(theta, batch)
                own.append([float(one) for one in terms])
                if scope is not None:
                    scope.minibatch(
                        samples=samples,
                        log_prob=log_prob,
                        advantages=batch["advantages"],
                        values=seen_values,
                        entropy=entropy,
                    )
                theta = step(theta, slope)
        if scope is not None and not scope.update():
            break
    if scope is not None:
        scope.close()
    envs.close()
    leaves = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(theta))
    return hashlib.sha256(leaves).hexdigest(), own


if __name__ == "__main__":
    print(main(int(sys.argv[1]), plain="--plain" in sys.argv)[0])
