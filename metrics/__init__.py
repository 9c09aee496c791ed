"""The `metrics` service: one Prometheus endpoint for the whole bot, and a sample a minute in PostgreSQL for Grafana.

What workers do is counted by themselves (`runtime.counting`) and merged here; everything else is read where its truth
lies: PostgreSQL, Redis, the supervisor. No worker knows of this service, and nothing waits for it.
"""
