"""The demo: a market data provider, viewers, and a live page around the real worker and endpoint."""
