"""Azure Table and Queue Storage: decisions, work, statuses, messages."""
