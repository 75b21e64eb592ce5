"""What the replies of models say. Nothing is guessed: what cannot be read is said to be unreadable."""
