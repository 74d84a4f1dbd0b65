"""Commands: sent through the log, decided by seat workers, and answered to their clients."""
