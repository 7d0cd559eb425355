import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import { hashSync as bcryptHash, compareSync } from 'bcryptjs';
import type * as StoredHash from '../../src/passwords/stored-hash.ts';

const built = new URL('../../dist/src/passwords/stored-hash.js', import.meta.url).href;
const { ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES }: typeof StoredHash = await import(built);

/** Measures verifications of a password hash, with nothing around them. Prints a Rate. */
const SECONDS = 5;
const password = 'plum orchard violin';
const bcrypt = bcryptHash(password, 12);
const argon2 = argon2Hash(password, {
  memoryCost: ARGON2_MEMORY_KIB,
  timeCost: ARGON2_PASSES,
  parallelism: ARGON2_LANES,
});
const verify =
  process.env.SCHEME === 'argon2id'
    ? () => argon2Verify(argon2, password)
    : () => compareSync(password, bcrypt);
verify();
const processorBefore = process.cpuUsage();
const startedAt = performance.now();
let count = 0;
while (performance.now() - startedAt < SECONDS * 1000) {
  verify();
  count += 1;
}
const seconds = (performance.now() - startedAt) / 1000;
const { user, system } = process.cpuUsage(processorBefore);
process.stdout.write(JSON.stringify({ perSecond: count / seconds, microseconds: (user + system) / count }));
