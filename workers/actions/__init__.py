"""What an agent may do on Discord besides talking: the message tool's actions, their gates and checks."""
