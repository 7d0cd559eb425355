import { createHash, createHmac, createSecretKey, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { hashSync as argon2Hash } from '@node-rs/argon2';
import { hashSync as bcryptHash } from 'bcryptjs';
import { PasswordHasher, type PasswordHasherOptions } from '../../src/passwords/password-hasher.ts';
import {
  approximateRounds,
  currentCost,
  decoyHash,
  decoysForDifference,
  parseStoredHash,
  phc,
  type StoredHash,
} from '../../src/passwords/stored-hash.ts';
import { withinDeadline } from '../../src/platform/database/index.ts';
import { ErrorCode } from '../../src/platform/errors.ts';

const PASSWORD = 'correct horse battery staple';
const spring = { id: 'spring', secret: createSecretKey(randomBytes(32)) };
const autumn = { id: 'autumn', secret: createSecretKey(randomBytes(32)) };

const SALT = Buffer.from('of another system');

const open: PasswordHasher[] = [];

function hasher(options: Partial<PasswordHasherOptions> = {}): PasswordHasher {
  const made = new PasswordHasher({
    scheme: 'bcrypt',
    bcryptCost: 4,
    peppers: [spring],
    threads: 1,
    queue: 16,
    maxWaitMs: 60_000,
    ...options,
  });
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

describe.each(['bcrypt', 'argon2id'] as const)('%s', (scheme) => {
  it('accepts the right password and no other', async () => {
    const passwords = hasher({ scheme });
    const stored = await passwords.hash(PASSWORD);
    await expect(passwords.verify(PASSWORD, stored)).resolves.toEqual({ matches: true, outdated: false });
    for (const wrong of [`${PASSWORD} `, PASSWORD.trimEnd().slice(1), PASSWORD.toUpperCase(), '']) {
      await expect(passwords.verify(wrong, stored)).resolves.toEqual({ matches: false, outdated: false });
    }
  });

  it('distinguishes passwords after their first 72 bytes', async () => {
    const passwords = hasher({ scheme });
    const stored = await passwords.hash(`${'x'.repeat(72)}AAAA`);
    expect((await passwords.verify(`${'x'.repeat(72)}BBBB`, stored)).matches).toBe(false);
    expect((await passwords.verify(`${'x'.repeat(72)}AAAA`, stored)).matches).toBe(true);
  });

  it('accepts 64 characters of four bytes each', async () => {
    const passwords = hasher({ scheme });
    const stored = await passwords.hash('😀'.repeat(64));
    expect((await passwords.verify('😀'.repeat(64), stored)).matches).toBe(true);
    expect((await passwords.verify('😀'.repeat(63), stored)).matches).toBe(false);
  });

  it('accepts the same text composed and decomposed', async () => {
    const passwords = hasher({ scheme });
    const stored = await passwords.hash('Pâté à la crème'.normalize('NFC'));
    expect((await passwords.verify('Pâté à la crème'.normalize('NFD'), stored)).matches).toBe(true);
  });

  it('stores a new salt each time, and no text that helps to find the password', async () => {
    const passwords = hasher({ scheme });
    const [first, second] = await Promise.all([passwords.hash(PASSWORD), passwords.hash(PASSWORD)]);
    expect(first.hash).not.toBe(second.hash);
    const digest = createHash('sha256').update(PASSWORD);
    for (const trace of [PASSWORD, Buffer.from(PASSWORD).toString('base64'), digest.copy().digest('hex')]) {
      expect(JSON.stringify(first)).not.toContain(trace);
    }
  });

  it('takes as long for an unknown account as for a known one', async () => {
    const passwords = hasher({ scheme, bcryptCost: 5 });
    await expect(passwords.verify(PASSWORD, null)).resolves.toEqual({ matches: false, outdated: false });
    const known = (await passwords.hash(PASSWORD)).hash;
    const decoy = decoyHash(currentCost(scheme, 5));
    expect(parseStoredHash(decoy)).toEqual(parseStoredHash(known));
    expect(decoy).toHaveLength(known.length);
    expect(decoyHash(currentCost(scheme, 5))).not.toBe(decoy);
  });
});

const bcryptOf = (cost: number): StoredHash => ({ scheme: 'bcrypt', cost });
const argon2Of = (memoryKib: number, passes: number): StoredHash => ({
  scheme: 'argon2id',
  memoryKib,
  passes,
  lanes: 1,
});
const roundsOf = (hashes: readonly string[]) =>
  hashes.map((hash) => approximateRounds(parseStoredHash(hash))).reduce((a, b) => a + b, 0);

const pbkdf2Of = (iterations: number): StoredHash => ({
  scheme: 'pbkdf2',
  digest: 'sha256',
  iterations,
  keyBytes: 32,
});
const scryptOf = (logN: number): StoredHash => ({ scheme: 'scrypt', logN, blockSize: 8, lanes: 1 });

describe('the padding of a wrong password', () => {
  it('in bcrypt is one decoy of the stored cost and one of each cost below the target', () => {
    const decoys = decoysForDifference(bcryptOf(4), bcryptOf(7));
    expect(decoys.map(parseStoredHash)).toEqual([4, 5, 6].map(bcryptOf));
    expect(decoysForDifference(bcryptOf(7), bcryptOf(7))).toEqual([]);
    expect(decoysForDifference(bcryptOf(8), bcryptOf(7))).toEqual([]);
  });

  it.each([
    [argon2Of(19_456, 2), argon2Of(65_536, 3)],
    [argon2Of(65_536, 1), argon2Of(65_536, 3)],
    [argon2Of(19_456, 2), bcryptOf(12)],
    [argon2Of(65_536, 3), bcryptOf(12)],
    [bcryptOf(4), argon2Of(65_536, 3)],
    [bcryptOf(9), argon2Of(65_536, 3)],
    [pbkdf2Of(10_000), bcryptOf(12)],
    [pbkdf2Of(100_000), pbkdf2Of(1_000_000)],
    [bcryptOf(10), pbkdf2Of(1_000_000)],
    [scryptOf(12), argon2Of(65_536, 3)],
    [scryptOf(13), scryptOf(15)],
    [bcryptOf(8), scryptOf(15)],
  ])('adds to %j the missing rounds of %j', (stored, target) => {
    const taken = approximateRounds(stored) + roundsOf(decoysForDifference(stored, target));
    expect(Math.abs(taken / approximateRounds(target) - 1)).toBeLessThan(1 / 60);
  });

  it('is empty when the stored hash takes as long as the target', () => {
    expect(decoysForDifference(argon2Of(65_536, 3), argon2Of(65_536, 3))).toEqual([]);
    expect(decoysForDifference(bcryptOf(10), argon2Of(65_536, 3))).toEqual([]);
  });

  it.each([
    ['bcrypt of a lower cost', {}, bcryptHash(PASSWORD, 4)],
    ['Argon2id', {}, argon2Hash(PASSWORD, { memoryCost: 1024, timeCost: 1, parallelism: 1 })],
    ['bcrypt where Argon2id is configured', { scheme: 'argon2id' }, bcryptHash(PASSWORD, 4)],
  ] as const)('takes no extra turn in the queue, for %s', async (_, options, hash) => {
    const passwords = hasher({ threads: 1, bcryptCost: 8, ...options });
    const stored = { hash, pepperId: null };
    for (const password of ['a wrong one', PASSWORD]) {
      const done: string[] = [];
      await Promise.all([
        passwords.verify(password, stored, { matchShows: true }).then(() => done.push('login')),
        passwords.hash(PASSWORD).then(() => done.push('the next in the queue')),
      ]);
      expect(done).toEqual(['login', 'the next in the queue']);
    }
  });

  it('reaches the cost of the slowest stored hash, up to five times the configured cost', () => {
    const passwords = hasher({ bcryptCost: 4 });
    expect(passwords.failureCost).toEqual(bcryptOf(4));
    passwords.padTo([bcryptHash(PASSWORD, 6), bcryptHash(PASSWORD, 5), bcryptHash(PASSWORD, 7), 'malformed']);
    expect(passwords.failureCost).toEqual(bcryptOf(6));

    const modern = hasher({ scheme: 'argon2id' });
    modern.padTo([decoyHash(bcryptOf(10)), decoyHash(bcryptOf(12)), decoyHash(bcryptOf(13))]);
    expect(modern.failureCost).toEqual(bcryptOf(12));
  });

  it('rises when a slower hash, stored after the start, is compared', async () => {
    const passwords = hasher({ bcryptCost: 4 });
    await passwords.verify('a wrong one', { hash: bcryptHash(PASSWORD, 5), pepperId: null });
    expect(passwords.failureCost).toEqual(bcryptOf(5));
  });
});

describe('hashes of another system', () => {
  it.each(['2a', '2b', '2y'])('include plain bcrypt, version %s', async (version) => {
    const passwords = hasher();
    const stored = { hash: bcryptHash(PASSWORD, 4).replace('$2b$', `$${version}$`), pepperId: null };
    await expect(passwords.verify(PASSWORD, stored)).resolves.toEqual({ matches: true, outdated: true });
    await expect(passwords.verify('another', stored)).resolves.toEqual({ matches: false, outdated: false });
  });

  it.each([
    ['a wrong end behind 72 bytes', 'x'.repeat(80), `${'x'.repeat(72)}yyyyyyyy`],
    ['the right end behind 72 bytes', 'x'.repeat(80), 'x'.repeat(80)],
    ['the first 72 bytes and one more', 'x'.repeat(72), 'x'.repeat(73)],
    ['72 bytes of which one character is cut', `${'x'.repeat(71)}é`, `${'x'.repeat(71)}è`],
    ['a NUL and a repetition, which bcrypt takes for the password', 'abc', 'abc\0abc'],
    ['a NUL at the end', 'abc', 'abc\0'],
  ])('do not match in plain bcrypt: %s', async (_, truth, typed) => {
    const passwords = hasher();
    const stored = { hash: bcryptHash(truth, 4), pepperId: null };
    await expect(passwords.verify(typed, stored, { matchShows: true })).resolves.toEqual({
      matches: false,
      outdated: false,
    });
  });

  it('match a plain bcrypt hash of a password of exactly 72 bytes, and replace it by a peppered one in the same turn', async () => {
    const passwords = hasher();
    const password = 'é'.repeat(36);
    const stored = { hash: bcryptHash(password, 4), pepperId: null };
    const { rehashed, ...told } = await passwords.verify(password, stored, { matchShows: true });
    expect(told).toEqual({ matches: true, outdated: true });
    await expect(passwords.verify(password, rehashed ?? null)).resolves.toEqual({
      matches: true,
      outdated: false,
    });
  });

  it('include plain Argon2id with other parameters', async () => {
    const passwords = hasher();
    const hash = argon2Hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 2 });
    await expect(passwords.verify(PASSWORD, { hash, pepperId: null })).resolves.toEqual({
      matches: true,
      outdated: true,
    });
    expect((await passwords.verify('another', { hash, pepperId: null })).matches).toBe(false);
  });

  it.each([
    [
      'PBKDF2',
      phc.pbkdf2({ digest: 'sha256', iterations: 1_000 }, SALT, pbkdf2Sync('abc', SALT, 1_000, 32, 'sha256')),
    ],
    [
      'scrypt',
      phc.scrypt(
        { logN: 10, blockSize: 8, lanes: 1 },
        SALT,
        scryptSync('abc', SALT, 32, { N: 1_024, r: 8, p: 1 }),
      ),
    ],
  ])(
    'match in plain %s, except a password that ends in a NUL, which HMAC cannot distinguish',
    async (_, hash) => {
      const passwords = hasher();
      const stored = { hash, pepperId: null };
      expect((await passwords.verify('abc\0', stored)).matches).toBe(false);
      expect((await passwords.verify('abd', stored)).matches).toBe(false);
      const right = await passwords.verify('abc', stored, { matchShows: true });
      expect(right).toMatchObject({ matches: true, outdated: true });
      expect(right.rehashed?.hash).toMatch(/^\$2b\$04\$/);
    },
  );

  it('are compared with the password as typed, not normalised', async () => {
    const passwords = hasher();
    const decomposed = 'crème'.normalize('NFD');
    const stored = { hash: bcryptHash(decomposed, 4), pepperId: null };
    expect((await passwords.verify(decomposed, stored)).matches).toBe(true);
  });
});

describe('a stored hash', () => {
  const cases: [string, Partial<PasswordHasherOptions>, Partial<PasswordHasherOptions>, boolean][] = [
    ['the cost rose', { bcryptCost: 4 }, { bcryptCost: 5 }, true],
    ['the cost fell', { bcryptCost: 5 }, { bcryptCost: 4 }, false],
    ['the scheme became Argon2id', {}, { scheme: 'argon2id' }, true],
    ['the scheme became bcrypt', { scheme: 'argon2id' }, {}, true],
    ['a pepper was put in front', { peppers: [spring] }, { peppers: [autumn, spring] }, true],
    ['a pepper was added behind', { peppers: [spring] }, { peppers: [spring, autumn] }, false],
  ];

  it.each(cases)('is outdated or current after %s', async (_, before, after, outdated) => {
    const stored = await hasher(before).hash(PASSWORD);
    const now = hasher(after);
    await expect(now.verify(PASSWORD, stored)).resolves.toEqual({ matches: true, outdated });
    await expect(now.verify('another', stored)).resolves.toEqual({ matches: false, outdated: false });
    const fresh = await now.hash(PASSWORD);
    await expect(now.verify(PASSWORD, fresh)).resolves.toEqual({ matches: true, outdated: false });
  });

  it.each([
    ['fewer passes, 64 MiB', { memoryCost: 65_536, timeCost: 2, parallelism: 1 }, true],
    ['less memory, 3 passes', { memoryCost: 47_104, timeCost: 3, parallelism: 1 }, true],
    ['the least that OWASP asks for', { memoryCost: 19_456, timeCost: 2, parallelism: 1 }, true],
    ['four lanes (RFC 9106)', { memoryCost: 65_536, timeCost: 3, parallelism: 4 }, false],
  ])('of Argon2id is outdated or current with %s', async (_, parameters, outdated) => {
    const stored = { hash: argon2Hash(keyed(PASSWORD), parameters), pepperId: spring.id };
    const passwords = hasher({ scheme: 'argon2id' });
    await expect(passwords.verify(PASSWORD, stored)).resolves.toEqual({ matches: true, outdated });
    expect((await passwords.verify('another', stored)).matches).toBe(false);
  });

  const keyed = (password: string) => createHmac('sha256', spring.secret).update(password).digest('base64');
});

describe('peppers', () => {
  it('are named in the hash that they wrote', async () => {
    expect((await hasher({ peppers: [autumn, spring] }).hash(PASSWORD)).pepperId).toBe('autumn');
  });

  it('that are missing cause a configuration error, not a wrong password', async () => {
    const stored = await hasher({ peppers: [spring] }).hash(PASSWORD);
    await expect(hasher({ peppers: [autumn] }).verify(PASSWORD, stored)).rejects.toThrow(
      /"spring".*PASSWORD_PEPPER/,
    );
  });

  it('with the same id and another key do not match the password', async () => {
    const stored = await hasher({ peppers: [spring] }).hash(PASSWORD);
    const other = hasher({ peppers: [{ id: spring.id, secret: autumn.secret }] });
    expect((await other.verify(PASSWORD, stored)).matches).toBe(false);
  });
});

const pbkdf2 = (iterations: number, keyBytes = 32) =>
  phc.pbkdf2({ digest: 'sha256', iterations }, Buffer.from('a salt'), Buffer.alloc(keyBytes));
const scrypt = (logN: number, blockSize: number, lanes: number) =>
  phc.scrypt({ logN, blockSize, lanes }, Buffer.from('a salt'), Buffer.alloc(32));

describe('malformed stored hashes', () => {
  const bcrypt = bcryptHash(PASSWORD, 4);
  const argon2 = argon2Hash(PASSWORD, { memoryCost: 1024, timeCost: 1, parallelism: 1 });

  it.each([
    ['empty', ''],
    ['a plain word', 'hunter2'],
    ['cut short', bcrypt.slice(0, -1)],
    ['of the unsound version 2x', bcrypt.replace('$2b$', '$2x$')],
    ['of cost 3', bcrypt.replace('$04$', '$03$')],
    ['of a cost that would take hours', bcrypt.replace('$04$', '$31$')],
    ['Argon2i', argon2.replace('argon2id', 'argon2i')],
    ['Argon2id of gigabytes', argon2.replace('m=1024', 'm=4194304')],
    ['Argon2id without lanes', argon2.replace('p=1', 'p=0')],
    ['Argon2id with a digest that is not base64', `${argon2.slice(0, -1)}B`],
    ['Argon2id with a line break', `${argon2}\n`],
    ['PBKDF2 of 100,000,000 iterations', pbkdf2(100_000_000)],
    ['PBKDF2 of a second block, which doubles its iterations', pbkdf2(9_000_000, 33)],
    ['PBKDF2 of no iterations', pbkdf2(0)],
    ['PBKDF2 with a digest of 8 bytes, which many passwords have', pbkdf2(1_000, 8)],
    ['PBKDF2 with a digest of a kilobyte', pbkdf2(1, 1_024)],
    ['scrypt of a gigabyte', scrypt(20, 8, 1)],
    ['scrypt of 16 lanes in 256 MiB', scrypt(18, 8, 16)],
    ['scrypt of no memory', scrypt(0, 1, 1)],
    ['scrypt without lanes', scrypt(14, 8, 0)],
    ['in the notation of another system, which only the import reads', 'pbkdf2:sha256:1000$salt$00'],
  ])('are reported as errors: %s', async (_, hash) => {
    const passwords = hasher();
    const failure = passwords.verify(PASSWORD, { hash, pepperId: null });
    await expect(failure).rejects.toThrow(/stored password hash|hashing job/);
    await expect(failure).rejects.not.toThrow(hash === '' ? /^$/ : hash);
    // The pool still works.
    expect((await passwords.verify(PASSWORD, { hash: bcrypt, pepperId: null })).matches).toBe(true);
  });
});

describe('under load, the hasher', () => {
  it('refuses at once when the queue is full', async () => {
    const passwords = hasher({ threads: 1, queue: 2, bcryptCost: 8 });
    const start = performance.now();
    const refusals: number[] = [];
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        passwords.hash(PASSWORD).catch((error: unknown) => {
          refusals.push(performance.now() - start);
          throw error;
        }),
      ),
    );
    const duration = performance.now() - start;
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array(3).fill('fulfilled'),
      ...Array(7).fill('rejected'),
    ]);
    for (const error of refused) {
      expect(error).toMatchObject({
        code: ErrorCode.SERVICE_UNAVAILABLE,
        extensions: { retryAfterSeconds: expect.any(Number) },
      });
      expect(error.extensions.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    }
    expect(Math.max(...refusals)).toBeLessThan(duration / 2);
    // The places are free again.
    await expect(passwords.verify(PASSWORD, null)).resolves.toMatchObject({ matches: false });
  });

  it('refuses at once when the expected wait exceeds the longest allowed one', async () => {
    const ask = async (passwords: PasswordHasher) => {
      // By these hashes, the hasher measures that one takes a millisecond or more.
      for (let count = 0; count < 3; count++) await passwords.hash(PASSWORD);
      const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => passwords.hash(PASSWORD)));
      return outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'hashed'));
    };
    const refused = {
      code: ErrorCode.SERVICE_UNAVAILABLE,
      extensions: { retryAfterSeconds: expect.any(Number) },
    };
    const impatient = await ask(hasher({ threads: 1, maxWaitMs: 0.1 }));
    // One runs and one waits for it. The next would wait for a whole hash.
    expect(impatient).toMatchObject(['hashed', 'hashed', refused, refused]);
    expect(await ask(hasher({ threads: 1, maxWaitMs: 60_000 }))).toEqual(Array(4).fill('hashed'));
  });

  it('serves in order of arrival', async () => {
    const passwords = hasher({ threads: 1, queue: 16 });
    const served: number[] = [];
    const asked = Array.from({ length: 12 }, (_, index) => index);
    await Promise.all(asked.map((index) => passwords.hash(PASSWORD).then(() => served.push(index))));
    expect(served).toEqual(asked);
  });

  it('refuses a stranger at once when only reserved places are left, whether or not the account exists', async () => {
    const passwords = hasher({ threads: 1, queue: 3, reserved: 1, bcryptCost: 8 });
    const stored = await passwords.hash(PASSWORD);
    const strangers = Array.from({ length: 3 }, () => passwords.verify(PASSWORD, null));
    const refusal = {
      code: ErrorCode.SERVICE_UNAVAILABLE,
      extensions: { retryAfterSeconds: expect.any(Number) },
    };
    await expect(passwords.verify(PASSWORD, null)).rejects.toMatchObject(refusal);
    await expect(passwords.verify(PASSWORD, stored)).rejects.toMatchObject(refusal);
    const served: string[] = [];
    const known = passwords.verify(PASSWORD, stored, { reserved: true }).then(({ matches }) => {
      served.push('known');
      return matches;
    });
    await Promise.all(strangers.map((stranger) => stranger.then(() => served.push('stranger'))));
    expect(await known).toBe(true);
    expect(served).toEqual(['stranger', 'known', 'stranger', 'stranger']);
  });

  it('can work without a queue', async () => {
    const passwords = hasher({ threads: 1, queue: 0, bcryptCost: 8 });
    const [first, second] = await Promise.allSettled([passwords.hash(PASSWORD), passwords.hash(PASSWORD)]);
    expect(first?.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: ErrorCode.SERVICE_UNAVAILABLE } });
  });

  it('refuses when the operation has less time than the expected wait, and hashes for the others', async () => {
    const passwords = hasher({ threads: 1, queue: 8, bcryptCost: 12 });
    const done: string[] = [];
    const others = ['first', 'second'].map((name) => passwords.hash(PASSWORD).then(() => done.push(name)));
    const late = withinDeadline(50, () => passwords.verify(PASSWORD, null)).catch((error: unknown) => {
      done.push('refused');
      throw error;
    });
    const slow = {
      code: ErrorCode.SERVICE_UNAVAILABLE,
      extensions: { retryAfterSeconds: expect.any(Number) },
    };
    await expect(late).rejects.toMatchObject(slow);
    await Promise.all(others);
    expect(done).toEqual(['refused', 'first', 'second']);
    await expect(withinDeadline(10, () => passwords.hash(PASSWORD))).rejects.toMatchObject(slow);
    await expect(withinDeadline(10_000, () => passwords.hash(PASSWORD))).resolves.toBeDefined();
  });

  it('counts unknown accounts like known ones', async () => {
    const passwords = hasher({ threads: 1, queue: 0, bcryptCost: 8 });
    const known = passwords.hash(PASSWORD);
    await expect(passwords.verify(PASSWORD, null)).rejects.toMatchObject({
      code: ErrorCode.SERVICE_UNAVAILABLE,
    });
    await known;
  });

  it('does not block the event loop', async () => {
    const passwords = hasher({ threads: 1, queue: 8, bcryptCost: 12 });
    await passwords.verify(PASSWORD, null);
    const start = performance.now();
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    await Promise.all([passwords.hash(PASSWORD), passwords.hash(PASSWORD), passwords.hash(PASSWORD)]);
    delay.disable();
    const perHash = (performance.now() - start) / 3;
    // Hashing in this thread would block it for as long as one hash takes, three times in a row.
    expect(delay.percentile(90) / 1e6).toBeLessThan(perHash / 2);
  });

  it('does not hash a text that is too long or not valid Unicode', async () => {
    const passwords = hasher();
    const stored = await passwords.hash(PASSWORD);
    for (const password of ['x'.repeat(257), 'x'.repeat(1024 * 1024), '\ud800']) {
      await expect(passwords.hash(password)).rejects.toThrow(RangeError);
      await expect(passwords.verify(password, stored)).rejects.toThrow(RangeError);
      await expect(passwords.verify(password, null)).rejects.toThrow(RangeError);
    }
  });

  it.each([
    { bcryptCost: 3 },
    { bcryptCost: 17 },
    { bcryptCost: 4.5 },
    { threads: 0 },
    { queue: -1 },
    { queue: Number.NaN },
    { queue: 2, reserved: 3 },
  ])('refuses %j at construction', (options) => {
    expect(() => hasher(options)).toThrow(RangeError);
  });
});

describe('closing the hasher', () => {
  it('finishes accepted hashes, refuses later ones, and may be repeated', async () => {
    const passwords = hasher({ threads: 1, queue: 4 });
    const accepted = [passwords.hash(PASSWORD), passwords.hash(PASSWORD)];
    const closed = passwords.close();
    await expect(passwords.hash(PASSWORD)).rejects.toMatchObject({ code: ErrorCode.SERVICE_UNAVAILABLE });
    await closed;
    await passwords.close();
    for (const { hash } of await Promise.all(accepted)) {
      expect(hash).toMatch(/^\$2b\$04\$/);
    }
  });
});
