"""What brings data of other systems in. Each import is a door: it reads, translates and calls operations."""
