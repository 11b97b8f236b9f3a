"""What the steps need of the outside world: protocols, with the values that they trade."""
