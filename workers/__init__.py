"""What the fleet can do. Nothing in here imports Celery."""
