"""The embedded default: a private Postgres that looks like local Supabase."""
