import type { WebSocket } from '@fastify/websocket';
import { CloseCode } from 'graphql-ws';

/** Messages, pings and pongs of a client in a second: hello, and its subscriptions, take a dozen. */
const MAX_SAID = 100;
/** Milliseconds. */
const SECOND = 1_000;
/** Bytes that wait for a client that does not read them. Answers are short. */
const MAX_UNREAD = 256 * 1024;

/**
 * Bounds what one socket can cost: whoever talks without pause would keep the process from everybody else, and what is
 * answered to whoever does not read would be kept in memory.
 * @param onCut called when the socket is over for that
 * @returns whether to listen to what was just said; the socket is over once that is false.
 */
export function boundSocket(socket: WebSocket, onCut: (reason: string) => void): () => boolean {
  let second = performance.now();
  let said = 0;
  let isOver = false;

  const cut = (reason: string): void => {
    isOver = true;
    socket.close(CloseCode.BadRequest, reason);
    // What it has sent already is not waited for.
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
