import { generateKeyPair, SignJWT } from 'jose';

/** Prints RS256 signatures per second, as an access token needs one. */
const SECONDS = 3;
const { privateKey } = await generateKeyPair('RS256');
const until = performance.now() + SECONDS * 1000;
const counts = await Promise.all(
  Array.from({ length: 16 }, async () => {
    let count = 0;
    while (performance.now() < until) {
      await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
      count += 1;
    }
    return count;
  }),
);
process.stdout.write(String(counts.reduce((sum, count) => sum + count, 0) / SECONDS));
