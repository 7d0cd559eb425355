/** A function to close each opened part, in the order in which the parts were opened. */
export type Closing = Array<() => Promise<unknown>>;

/** Closes all parts, the last opened first. A failure does not keep the others open. */
export async function closeAll(closing: Closing): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.toReversed()) await close().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'parts of the gateway did not close');
}
