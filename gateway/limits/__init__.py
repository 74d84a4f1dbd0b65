"""Rate limits and admission control."""
