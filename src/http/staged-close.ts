import type { IncomingMessage } from 'node:http';

/** Milliseconds for a client to stop sending and read the answer, after the answer was sent. */
const LINGER = 2_000;

/**
 * Closes the connection in stages when the answer comes before the end of the request (RFC 9112 section 9.6). Node
 * would close it at once. The system then resets it because of unread bytes, and a client that still sends loses the
 * answer. Here the gateway ends its own side, and discards further data until the client closes or the time is over.
 */
export function closeInStages(request: IncomingMessage): void {
  const { socket } = request;
  socket.destroySoon = () => {
    request.resume();
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    socket.once('close', () => clearTimeout(timer));
  };
}
