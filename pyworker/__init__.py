"""Keep exactly the rows that somebody is looking at fresh."""
