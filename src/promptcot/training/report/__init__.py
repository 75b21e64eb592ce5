"""What is seen of a training while it runs, and the card of what comes out."""
