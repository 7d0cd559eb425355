/** @topology one: opens sockets while one process stops */
import { connect } from 'node:net';
import { expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { elapse } from '../support/race.ts';

const HANDSHAKE = [
  'GET /graphql HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Protocol: graphql-transport-ws',
].join('\r\n');

/** @returns the messages until the socket closed, or nothing when the listener had closed. */
const shakeHands = (port: number) =>
  new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${HANDSHAKE}\r\n\r\n`));
    socket.on('data', (chunk) => {
      text += String(chunk);
      // The sockets that were opened in time.
      if (text.startsWith('HTTP/1.1 101')) socket.destroy();
    });
    socket.on('error', () => {}).on('close', () => resolve(text));
  });

it('a WebSocket that is opened while the gateway stops is closed, and does not delay the stop', async () => {
  const gateway = await TestGateway.start();
  const port = Number(new URL(gateway.client.url).port);
  const opened: Promise<string>[] = [];
  let stopping = true;
  const opening = (async () => {
    while (stopping) {
      opened.push(shakeHands(port));
      await elapse(1, 'handshakes go on through the whole stop');
    }
  })();
  await elapse(20, 'the first sockets are open when the stop begins');
  const begun = performance.now();
  await gateway.close();
  const took = performance.now() - begun;
  stopping = false;
  await opening;
  const replies = await Promise.all(opened);
  expect(took).toBeLessThan(8_000);
  expect(replies.filter((text) => !/^(HTTP\/1.1 (101|503)|$)/.test(text))).toEqual([]);
  expect(replies.some((text) => text.startsWith('HTTP/1.1 503'))).toBe(true);
});
