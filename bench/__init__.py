"""Measurements: each part measures its baseline in the same run."""
