"""What benchmarks run on: the local stack, floors of bare requests, counted traffic."""
