"""What travels: the Celery app, queues, task definitions (thin), and the wiring of the fleet."""
