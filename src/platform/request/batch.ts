import type { EntityManager } from '@mikro-orm/postgresql';
import DataLoader from 'dataloader';
import type { RequestContext } from './context.ts';

/** Reads something of many objects at once; what has none is absent. */
type ReadMany<Value> = (
  em: EntityManager,
  ids: readonly string[],
  context: RequestContext,
) => Promise<ReadonlyMap<string, Value>>;

/**
 * For a field that every object of a list has: the resolvers of one request ask one by one, and those that ask in
 * the same turn are answered by one read.
 *
 *     const rolesOf = batched((em, userIds) => readRoles(em, userIds));
 *     const roles = (await rolesOf(context, user.id)) ?? [];
 *
 * Nothing is remembered: a field behind the second mutation of a document must see what that one changed.
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
