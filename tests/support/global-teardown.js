import { rm } from 'node:fs/promises';

export default async function globalTeardown() {
  const { foundation, dataDir, redis } = globalThis.testFoundation;
  redis?.kill();
  await foundation.close();
  await rm(dataDir, { recursive: true, force: true });
}
