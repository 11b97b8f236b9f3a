"""trustcast keeps the trust lists of a fleet of Kubernetes clusters in step with Azure Key Vault."""
