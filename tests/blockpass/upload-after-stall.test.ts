/** @timing: stalls a process for longer than a request may wait */
/** @topology one: this process is the gateway, and stands still */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { picture } from '../../examples/blockpass-fakes/index.ts';
import { type BlockpassWorld, startBlockpassWorld } from '../support/blockpass.ts';
import { elapse } from '../support/race.ts';

/** Milliseconds: longer than REQUEST_MAX_AGE_SECONDS. */
const STALL = 5_000;
const SLOW_BODY = 'the time that the body takes';

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld({ REQUEST_MAX_AGE_SECONDS: '3' });
});
afterAll(() => world.close());

const part = (name: string, bytes: Buffer | string, more = '') =>
  Buffer.concat([
    Buffer.from(`--X1\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(bytes as string),
    Buffer.from('\r\n'),
  ]);

/** @returns the status of an upload that is sent in two halves. */
async function upload(accessToken: string, between: () => Promise<void>, after = () => {}): Promise<number> {
  const body = Buffer.concat([
    part('accessToken', accessToken),
    part('email', 'a@b.test'),
    part('selfie', picture(), '; filename="selfie.jpg"\r\nContent-Type: image/jpeg'),
    Buffer.from('--X1--\r\n'),
  ]);
  const half = Math.floor(body.length / 2);
  const socket = connect(Number(new URL(world.gateway.url).port), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const answered = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
  socket.write(
    `POST /blockpass/api/uploadData HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=X1\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.write(body.subarray(0, half));
  await between();
  socket.write(body.subarray(half));
  after();

  const status = Number(/^HTTP\/1.1 (\d+)/.exec(await answered)?.[1]);
  socket.destroy();
  return status;
}

const items = (id: string) =>
  world.gateway.database.query(
    'select from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1',
    [id],
  );

it('an upload may take longer than other requests, unless its last bytes arrived while the process stood still', async () => {
  const app = world.person();
  const { accessToken = '' } = await app.register();
  const standStill = () => {
    const until = performance.now() + STALL;
    while (performance.now() < until);
  };
  expect(await upload(accessToken, () => elapse(200, SLOW_BODY), standStill)).toBe(503);
  await elapse(400, 'requests count as old for a while after a stall');
  expect(await items(app.person.id)).toEqual([]);
  // The error "try again" holds: the upload token was given back.
  expect(await upload(accessToken, () => elapse(200, SLOW_BODY))).toBe(200);
  expect(await upload(accessToken, () => elapse(200, SLOW_BODY))).toBe(200);
  expect(await items(app.person.id)).toHaveLength(2);

  const other = world.person();
  const pass = (await other.register()).accessToken ?? '';
  expect(await upload(pass, () => elapse(4_000, SLOW_BODY))).toBe(200);
  expect(await items(other.person.id)).toHaveLength(2);
}, 40_000);
