"""Reading and writing files, atomically."""
