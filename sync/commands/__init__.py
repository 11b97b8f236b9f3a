"""What people ask for, over the same steps that the functions run."""
