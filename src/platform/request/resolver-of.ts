import type { GraphQLSchema } from 'graphql';
import type { ClassType } from 'type-graphql';

/** Where a schema keeps the instances of its resolvers (graphql/build-schema.ts). */
export const RESOLVER_OF = 'resolverOf';

/** type-graphql begins a subscription without an instance of the resolver; the schema knows it. */
export function resolverOf<T extends object>(schema: GraphQLSchema, type: ClassType<T>): T {
  return (schema.extensions[RESOLVER_OF] as (type: ClassType<T>) => T)(type);
}
