"""A network of one framework built anew in the other."""
