"""A stand-in for Azure Key Vault: the REST of its secrets over HTTPS."""
