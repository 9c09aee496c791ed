"""Celery tasks, a module per queue. A task claims, calls a room and enqueues; it carries ids, never state."""
