"""The doors: GraphQL over HTTP, WebSocket and server-sent events; OAuth; health and metrics."""
