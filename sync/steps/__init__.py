"""The protocol: admit, plan, push, check drift. The order of their steps is what keeps law 7."""
