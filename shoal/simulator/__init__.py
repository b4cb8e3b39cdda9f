"""A local Discord: gateway, REST, CDN and a control API, for demo, tests and benchmarks."""
