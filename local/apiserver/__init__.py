"""Real kube-apiservers, built once from pinned Go modules."""
