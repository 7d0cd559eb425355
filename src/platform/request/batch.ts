import type { EntityManager } from '@mikro-orm/postgresql';
import DataLoader from 'dataloader';
import type { RequestContext } from './context.ts';

/** Reads one value for many objects at once. Objects without a value are absent. */
type ReadMany<Value> = (
  em: EntityManager,
  ids: readonly string[],
  context: RequestContext,
) => Promise<ReadonlyMap<string, Value>>;

/**
 * Batches the reads of a field that every object of a list has. The resolvers of one request ask one by one, and one
 * read answers all that ask in the same turn.
 *
 *     const rolesOf = batched((em, userIds) => readRoles(em, userIds));
 *     const roles = (await rolesOf(context, user.id)) ?? [];
 *
 * Nothing is cached: a field after the second mutation of a document must see the changes of that mutation.
 */
export function batched<Value>(
  read: ReadMany<Value>,
): (context: RequestContext, id: string) => Promise<Value | undefined> {
  const loaders = new WeakMap<RequestContext, DataLoader<string, Value | undefined>>();
  const loaderOf = (context: RequestContext): DataLoader<string, Value | undefined> => {
    const known = loaders.get(context);
    if (known) return known;
    const loader = new DataLoader<string, Value | undefined>(
      async (ids) => {
        const found = await read(context.em, [...new Set(ids)], context);
        return ids.map((id) => found.get(id));
      },
      { cache: false },
    );
    loaders.set(context, loader);
    return loader;
  };
  return (context, id) => loaderOf(context).load(id);
}
