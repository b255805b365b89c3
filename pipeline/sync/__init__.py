"""The domain: standard library and `pipeline.errors` only; no clock, no network."""
