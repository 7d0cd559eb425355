import { generateKeyPair, SignJWT } from 'jose';

/** Measures RS256 signatures, of which an access token needs one. Prints a Rate. */
const SECONDS = 3;
const { privateKey } = await generateKeyPair('RS256');
const processorBefore = process.cpuUsage();
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
const count = counts.reduce((sum, one) => sum + one, 0);
const { user, system } = process.cpuUsage(processorBefore);
process.stdout.write(JSON.stringify({ perSecond: count / SECONDS, microseconds: (user + system) / count }));
