"""What survives when processes are killed: real servers, real clients, real databases."""
