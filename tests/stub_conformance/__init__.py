"""What is shown is what runs: the stubs of every operation against what is sent when they are called."""
