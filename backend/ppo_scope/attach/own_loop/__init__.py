"""`ppo_scope.Scope`, for a loop of one's own: what it hands over, checked and put into our shapes."""
