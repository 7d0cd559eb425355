/** @topology one: takes half a minute, and is about one connection */
import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type BlockpassWorld, startBlockpassWorld } from '../support/blockpass.ts';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld();
});
afterAll(() => world.close());

/** @returns the status, and the milliseconds until it arrived. */
function sendSlowly(beginning: string): Promise<{ status: number; after: number }> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${world.gateway.url}/blockpass/api/uploadData`,
      { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=X1' } },
      (response) => {
        clearInterval(timer);
        response.resume();
        outgoing.destroy();
        resolve({ status: response.statusCode ?? 0, after: performance.now() - began });
      },
    );
    outgoing.on('error', reject);
    outgoing.write(beginning);
    const timer = setInterval(() => outgoing.write('x'), 1_000);
  });
}

it('uploads of one byte per second are ended after half a minute, while others succeed', async () => {
  const { accessToken } = await world.person().register();
  const part = (name: string) => `--X1\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
  const slow = [
    ...Array.from({ length: 30 }, () => sendSlowly(part('email'))),
    sendSlowly(`${part('accessToken')}${accessToken}\r\n${part('email')}`),
  ];
  const app = world.person();
  await app.open();
  expect(await app.status(null)).toMatchObject({ status: 'waiting' });
  for (const { status, after } of await Promise.all(slow)) {
    expect(status).toBe(408);
    expect(after).toBeLessThan(33_000);
  }
  expect(await world.gateway.database.query('select from kyc_record')).toHaveLength(1);
}, 45_000);
