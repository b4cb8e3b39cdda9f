"""Ground floor: values, clock, errors, logging. Imports nothing else of Shoal."""
