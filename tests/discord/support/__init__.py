"""Small real servers for the tests of ``shoal.discord``: HTTP, TLS, and proxies of every kind."""
