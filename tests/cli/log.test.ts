import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { freePort, GatehouseProcess } from '../support/process.ts';

jest.setTimeout(90_000);

/** Requests whose log lines have some 300 bytes each: together more than a pipe holds (64 KiB). */
const LOGGED_REQUESTS = 600;
const REFUSED = '{ me { id } }';

let folder: string;
let environment: { DATA_DIR: string; PORT: string; LOG_LEVEL: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-log-'));
  environment = { DATA_DIR: join(folder, 'data'), PORT: await freePort(), LOG_LEVEL: 'trace' };
});
afterEach(() => GatehouseProcess.killAll());
afterAll(() => rm(folder, { recursive: true, force: true }));

const url = (path: string) => `http://127.0.0.1:${environment.PORT}${path}`;

async function ask(): Promise<{ errors: Array<{ extensions: { code: string } }> }> {
  const response = await fetch(url('/graphql'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: REFUSED }),
    signal: AbortSignal.timeout(5_000),
  });
  return response.json();
}

describe('a log that cannot be written', () => {
  it('stops neither requests nor the shutdown when its pipe is not read', async () => {
    const gateway = await GatehouseProcess.start(environment, { log: 'unread' });
    for (let asked = 0; asked < LOGGED_REQUESTS; asked += 1) await ask();
    const live = await fetch(url('/health/live'), { signal: AbortSignal.timeout(5_000) });
    expect(live.status).toBe(200);
    expect(await gateway.stop()).toBe(0);
  });

  const onFullDisk = existsSync('/dev/full') ? it : it.skip;

  onFullDisk('fails no request when the disk is full', async () => {
    const full = openSync('/dev/full', 'w');
    const gateway = await GatehouseProcess.start(environment, { log: full });
    closeSync(full);
    const { errors } = await ask();
    expect(errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    expect(await gateway.stop()).toBe(0);
  });

  it('is complete in a file after an orderly shutdown', async () => {
    const path = join(folder, 'log');
    const file = openSync(path, 'w');
    const gateway = await GatehouseProcess.start(environment, { log: file });
    closeSync(file);
    await ask();
    expect(await gateway.stop()).toBe(0);
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).msg)).toContain('stopping');
  });
});
