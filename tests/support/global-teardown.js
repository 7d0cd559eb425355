export default async function globalTeardown() {
  const { cluster, redis } = globalThis.testFoundation;
  redis?.kill();
  await cluster.stop();
}
