import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import {
  challengeOf,
  completeLogin,
  type Enrolled,
  enrol,
  startEnrolment,
} from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

let redis: TestRedis | undefined;
let gateway: TestGateway;
let alice: Subject;
let factor: Enrolled;
/** Secrets of one account, none of which may be found in any spelling. */
const marked: Record<string, string> = {};

beforeAll(async () => {
  redis = hasRedis ? await TestRedis.start() : undefined;
  gateway = await TestGateway.start({ RATE_LIMIT: 'on', ...(redis && { REDIS_URL: redis.url }) });
  alice = await gateway.aSubject();
  factor = await enrol(gateway, alice);
  await completeLogin(gateway.client, {
    challenge: await challengeOf(alice),
    recoveryCode: factor.recoveryCodes[0] ?? '',
  });
  await alice.login({ securityCode: factor.app.wrongCode() });
  Object.assign(marked, {
    secret: factor.secret,
    'unconfirmed secret': (await startEnrolment(alice, factor.tokens.accessToken)).secret,
    challenge: await challengeOf(alice),
    'used recovery code': factor.recoveryCodes[0],
    'recovery code': factor.recoveryCodes[1],
    'code of the app': factor.app.code(),
  });
});
afterAll(async () => {
  await gateway.close();
  await redis?.close();
});

/** Spellings that a text can have in a dump. */
function spellingsOf(text: string): string[] {
  const bare = text.replaceAll('-', '');
  const forms = [text, bare, text.toUpperCase(), bare.toUpperCase()].map((form) => Buffer.from(form));
  const bytes = /^[A-Z2-7]{32}$/.test(text) ? [fromBase32(text)] : [];
  return [...forms, ...bytes].flatMap((form) => [
    ...(bytes.includes(form) ? [] : [form.toString()]),
    form.toString('hex'),
    form.toString('base64').replace(/=+$/, ''),
    form.toString('base64url'),
  ]);
}
function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  );
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/**
 * Every column of every row of every table, spelled as `pg_dump` does. The program itself would have to be as
 * new as the server.
 */
async function databaseDump(): Promise<string> {
  const tables = await gateway.database.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public' order by 1`,
  );
  const parts = await Promise.all(
    tables.map(({ name }) =>
      gateway.database.query<{ line: string }>(`select t::text as line from ${name} t`),
    ),
  );
  return parts
    .flat()
    .map(({ line }) => line)
    .join('\n');
}

async function redisDump(): Promise<string> {
  if (!redis) return '';
  const keys = (await redis.command('KEYS', '*')) as string[];
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await redis?.command('TYPE', key);
      return JSON.stringify(await redis?.command(...(type === 'hash' ? ['HGETALL', key] : ['GET', key])));
    }),
  );
  return [...keys, ...values].join('\n');
}

const hits = (dump: string): string[] =>
  Object.entries(marked).flatMap(([name, value]) =>
    spellingsOf(value).some((spelling) => dump.toLowerCase().includes(spelling.toLowerCase())) ? [name] : [],
  );

describe('a second factor at rest', () => {
  it('is stored in PostgreSQL only as ciphertext and hashes', async () => {
    const dump = await databaseDump();
    expect(dump).toContain(alice.id);
    // Six digits occur in other numbers by chance, so this search leaves the security code out.
    delete marked['code of the app'];
    expect(hits(dump)).toEqual([]);
  });

  it('is found by this search when it is stored in plain text', () => {
    const found = [
      `(${alice.id},\\x${fromBase32(factor.secret).toString('hex')})`,
      (factor.recoveryCodes[1] ?? '').replaceAll('-', ''),
    ];
    expect(hits(found.join('\n')).sort()).toEqual(['recovery code', 'secret']);
  });

  (hasRedis ? it : it.skip)('is not in Redis', async () => {
    const dump = await redisDump();
    expect(dump.length).toBeGreaterThan(0);
    expect(hits(dump)).toEqual([]);
  });

  it('is not in the log', () => {
    const log = gateway.logLines.join('\n');
    expect(log.length).toBeGreaterThan(0);
    expect(hits(log)).toEqual([]);
  });

  it('is unreadable in the row of another account', async () => {
    const bob = await gateway.aSubject();
    await enrol(gateway, bob);
    await gateway.database.query(
      `update totp_authenticator set sealed_secret = (select sealed_secret from totp_authenticator where user_id = $1)
       where user_id = $2`,
      [alice.id, bob.id],
    );
    expect((await bob.login({ securityCode: factor.app.code(1) })).code).toBe('INTERNAL_SERVER_ERROR');
  });
});
