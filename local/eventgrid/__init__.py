"""A stand-in for Azure Event Grid: Key Vault's events, delivered as Azure delivers them."""
