"""Other queues on Postgres, run beside us: each in a database of its own, on the same cluster."""
