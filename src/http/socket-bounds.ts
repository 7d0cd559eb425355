import type { WebSocket } from '@fastify/websocket';
import { CloseCode } from 'graphql-ws';

/** Messages, pings and pongs of a client in a second. A hello and its subscriptions take a dozen. */
const MAX_SAID = 100;
/** In milliseconds. */
const SECOND = 1_000;
/** Bytes that wait for a client that does not read. Answers are short. */
const MAX_UNREAD = 256 * 1024;

/**
 * Bounds the cost of one socket. A client that sends without pause would keep the process from all others, and answers
 * to a client that does not read would fill the memory.
 * @param onCut called when a socket beyond a bound is cut
 * @returns a function to call for each message. False means: do not process it, the socket was cut.
 */
export function boundSocket(socket: WebSocket, onCut: (reason: string) => void): () => boolean {
  let second = performance.now();
  let said = 0;
  let isOver = false;

  const cut = (reason: string): void => {
    isOver = true;
    socket.close(CloseCode.BadRequest, reason);
    // Cuts at once, without reading data that the client has sent already.
    socket.terminate();
    onCut(reason);
  };

  const mayGoOn = (): boolean => {
    if (isOver) return false;
    const now = performance.now();
    if (now - second >= SECOND) {
      second = now;
      said = 0;
    }
    said += 1;
    if (said > MAX_SAID) cut('Too many messages');
    else if (socket.bufferedAmount > MAX_UNREAD) cut('Answers are not read');
    return !isOver;
  };

  socket.on('ping', mayGoOn);
  socket.on('pong', mayGoOn);
  return mayGoOn;
}
