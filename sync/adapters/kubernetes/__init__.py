"""The Secrets of registered clusters, through the unmodified `kubernetes` client."""
