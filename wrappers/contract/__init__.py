"""What every reward transform must keep, as checks to run on your own, and small rollouts to run them on."""
