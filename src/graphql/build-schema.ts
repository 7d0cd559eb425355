import type { GraphQLSchema } from 'graphql';
import { buildSchema as build, type ClassType, type NonEmptyArray, type PubSub } from 'type-graphql';
import type { ResolverClass } from '../platform/module-type.ts';
import {
  type AuthorizationRequirement,
  RESOLVER_OF,
  type RequestContext,
} from '../platform/request/index.ts';
import type { AuthorizationChecker } from './authorization.ts';

export interface SchemaOptions {
  readonly resolvers: readonly ResolverClass[];
  /** The one instance of each class; not needed to print the schema. */
  readonly instances?: readonly object[];
  readonly isAuthorized?: AuthorizationChecker;
}

/** type-graphql insists on one. Our subscriptions bring their own source: what every process knows (platform/events). */
const NO_TOPICS: PubSub = {
  publish: () => {
    throw new Error('nothing is published by topic');
  },
  subscribe: () => {
    throw new Error('a subscription names its source by `subscribe`');
  },
};

/**
 * Builds the schema from resolvers that the composition root constructed.
 * Inputs are validated by the capability that they are for, not by decorators: a rule stands in one place, also for
 * the command line.
 */
export async function buildSchema({
  resolvers,
  instances = [],
  isAuthorized,
}: SchemaOptions): Promise<GraphQLSchema> {
  const byClass = new Map<unknown, object>(instances.map((instance) => [instance.constructor, instance]));
  const resolverOf = (type: ClassType) => {
    const instance = byClass.get(type);
    if (!instance) throw new Error(`${type.name} is not wired`);
    return instance;
  };
  const schema = await build({
    resolvers: [...resolvers] as unknown as NonEmptyArray<ClassType>,
    container: { get: resolverOf },
    authChecker: async ({ context }: { context: RequestContext }, requirements: AuthorizationRequirement[]) =>
      (await isAuthorized?.(context, requirements)) ?? false,
    validate: false,
    // A whole introspection at each start: Apollo checks the schema too, and a test prints it.
    skipCheck: true,
    pubSub: NO_TOPICS,
  });
  schema.extensions = { ...schema.extensions, [RESOLVER_OF]: resolverOf };
  return schema;
}
