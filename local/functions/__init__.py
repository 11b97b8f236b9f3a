"""The Functions host on one machine: triggers, queues, timer, and the worker that runs the app."""
