"""The demo: a provider, viewers and a live page around the real worker and endpoint."""
