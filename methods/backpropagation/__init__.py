"""Methods that send the score back through the network by other rules than the gradient's."""
