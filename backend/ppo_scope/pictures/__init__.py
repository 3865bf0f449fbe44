"""Pictures of environments, drawn in a process of its own: the policy acting, and states that a rollout had."""
