/** How the parts that were opened are closed, in the order of their opening. */
export type Closing = Array<() => Promise<unknown>>;

/** The last opened first; one that fails does not keep the others open. */
export async function closeAll(closing: Closing): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.toReversed()) await close().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'parts of the gateway did not close');
}
