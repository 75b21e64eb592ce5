"""Model servers on a Ray cluster: placed, watched, started again, and asked as one engine."""
