"""What tests share: a server with clones, a client of the API, a count of statements."""
