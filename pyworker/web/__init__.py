"""The HTTP endpoint that frontends use."""
