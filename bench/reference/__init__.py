"""What Waterline is held against: the best that hands can write for each act, and the stock way of writing it."""
