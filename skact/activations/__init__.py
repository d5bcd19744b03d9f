"""What an activation is: the catalogue, building, gain, learning rates that suit."""
