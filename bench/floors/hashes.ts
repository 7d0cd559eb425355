import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import { hashSync as bcryptHash, compareSync } from 'bcryptjs';

/** Prints verifications of a password hash per second, with nothing around them. */
const SECONDS = 5;
const password = 'plum orchard violin';
const bcrypt = bcryptHash(password, 12);
const argon2 = argon2Hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
const verify =
  process.env.SCHEME === 'argon2id'
    ? () => argon2Verify(argon2, password)
    : () => compareSync(password, bcrypt);
verify();
const startedAt = performance.now();
let count = 0;
while (performance.now() - startedAt < SECONDS * 1000) {
  verify();
  count += 1;
}
process.stdout.write(String((count * 1000) / (performance.now() - startedAt)));
