"""What `bench.streams` is measured with."""
