"""Time and memory of a training, computed beforehand."""
