"""Live streams over WebSocket: the messages, the socket, limits, and the course of a stream. It only translates."""
