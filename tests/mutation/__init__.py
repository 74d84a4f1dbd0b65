"""Mutation testing of the pure modules: small changes to them, each of which a unit test has to notice."""
