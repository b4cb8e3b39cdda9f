"""What comes in: the websocket listener. Imports no agent code and no Celery app."""
