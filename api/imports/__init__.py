"""What brings data of other systems in. Each import is a door like any other: it reads, translates and calls operations."""
