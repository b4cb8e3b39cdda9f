"""Files people send: fetched to disk, looked at, written of; and which local files may be touched."""
