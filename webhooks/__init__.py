"""Webhooks by the Standard Webhooks specification: intake of events, signing, and delivery. Runs in the notifier."""
