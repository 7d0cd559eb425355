import type { GraphQLSchema } from 'graphql';
import type { ClassType } from 'type-graphql';

/** The extension in which a schema keeps the instances of its resolvers (graphql/build-schema.ts). */
export const RESOLVER_OF = 'resolverOf';

/** Returns the instance of a resolver from the schema, since type-graphql starts a subscription without one. */
export function resolverOf<T extends object>(schema: GraphQLSchema, type: ClassType<T>): T {
  return (schema.extensions[RESOLVER_OF] as (type: ClassType<T>) => T)(type);
}
