"""`aisle checkin`: what scanners need without a connection, and the scans that they made meanwhile."""
