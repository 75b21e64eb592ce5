"""Sets in the form that trainers read: which columns, which files, which splits, and what is said of them."""
