"""Azure Key Vault's secrets."""
