"""Model servers on a Ray cluster, placed, monitored, restarted, and used as one engine."""
