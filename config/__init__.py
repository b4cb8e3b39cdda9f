"""What the operator decides: the JSON5 file, its schema, accounts, secrets and proxies."""
