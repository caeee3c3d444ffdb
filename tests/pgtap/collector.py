"""Collects supabase/tests/*.sql."""
