import { HOSTILE_DOCUMENTS } from '../tests/support/hostile-documents.ts';
import { startDatabase } from './support/database.ts';
import { LOAD_CORE, moveTo, Server } from './support/process.ts';

/**
 * `npm run bench:hostile`: the cost of documents that must be refused, relative to `{ __typename }` in the same run;
 * how long the event loop was blocked meanwhile, as a second connection sees it; and the memory after 10,000 of them.
 */
const EACH = Number(process.env.BENCH_EACH ?? 40);
const MANY = Number(process.env.BENCH_MANY ?? 10_000);
const PORT = 4903;
const HARMLESS = '{ __typename }';

const print = (line: string): unknown => process.stdout.write(`${line}\n`);
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? Number.NaN;

async function post(url: string, query: string): Promise<{ status: number; bytes: number; ms: number }> {
  const startedAt = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const bytes = (await response.arrayBuffer()).byteLength;
  return { status: response.status, bytes, ms: performance.now() - startedAt };
}

/**
 * Requests `/health/live` without pause while the work goes on.
 * @returns the longest wait in milliseconds.
 */
async function longestWait(url: string, work: () => Promise<void>): Promise<number> {
  let done = false;
  let longest = 0;
  const watch = (async () => {
    while (!done) {
      const startedAt = performance.now();
      await (await fetch(new URL('/health/live', url))).arrayBuffer();
      longest = Math.max(longest, performance.now() - startedAt);
    }
  })();
  await work();
  done = true;
  await watch;
  return longest;
}

await moveTo(LOAD_CORE);
const database = await startDatabase();
try {
  const gateway = await Server.start(['--', 'dist/src/main.js', 'start'], PORT, {
    ...database.environment,
    LOG_LEVEL: 'fatal',
  });
  const time = async (query: string) => {
    const replies = [];
    for (let turn = 0; turn < EACH; turn++) replies.push(await post(gateway.url, query));
    return { reply: replies[0], ms: replies.map(({ ms }) => ms) };
  };
  for (let warm = 0; warm < 300; warm++) await post(gateway.url, `{ __typename a${warm}: __typename }`);

  print('document | status | bytes | ms (median) | of { __typename } | longest wait of another, ms');
  // The first line shows the noise of the machine.
  for (const [what, query] of [[HARMLESS, HARMLESS], ...HOSTILE_DOCUMENTS] as const) {
    const floor = quantile((await time(HARMLESS)).ms, 0.5);
    const measured = await time(query);
    // Once more, with a second client, which costs both of them time.
    const wait = await longestWait(gateway.url, async () => void (await time(query)));
    const ms = quantile(measured.ms, 0.5);
    print(
      [
        what,
        measured.reply?.status,
        measured.reply?.bytes,
        ms.toFixed(2),
        `${(ms / floor).toFixed(1)} x`,
        wait.toFixed(0),
      ].join(' | '),
    );
  }

  const memory: number[] = [];
  for (let part = 0; part < 5; part++) {
    for (let count = 0; count < MANY / 5; count++) {
      const [, query] = HOSTILE_DOCUMENTS[count % HOSTILE_DOCUMENTS.length] ?? ['', HARMLESS];
      // Each one is different, so that no cache of parsed documents helps or hides growth.
      await post(gateway.url, `# ${part} ${count}\n${query}`);
    }
    memory.push(await gateway.memory());
  }
  print(`MB after each fifth of ${MANY}: ${memory.map((mb) => mb.toFixed(0)).join(', ')}`);
  await gateway.stop();
} finally {
  await database.close();
}
