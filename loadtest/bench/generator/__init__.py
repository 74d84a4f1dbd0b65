"""The load generator, a process of its own: closed and open loops, live sockets."""
