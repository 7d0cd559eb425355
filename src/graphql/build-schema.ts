import type { GraphQLSchema } from 'graphql';
import { buildSchema as build, type ClassType, type NonEmptyArray, type PubSub } from 'type-graphql';
import type { ResolverClass } from '../platform/module-type.ts';
import {
  type AuthorizationRequirement,
  RESOLVER_OF,
  type RequestContext,
} from '../platform/request/index.ts';
import { tracing } from '../platform/telemetry/index.ts';
import type { AuthorizationChecker } from './authorization.ts';
import { measureRootFields } from './root-field-telemetry.ts';

export interface SchemaOptions {
  readonly resolvers: readonly ResolverClass[];
  /** The instance of each class. Not needed to print the schema. */
  readonly instances?: readonly object[];
  readonly isAuthorized?: AuthorizationChecker;
}

/**
 * type-graphql requires a PubSub. Our subscriptions have a source of their own, the events that every process learns of
 * (platform/events).
 */
const NO_TOPICS: PubSub = {
  publish: () => {
    throw new Error('the gateway publishes nothing by topic');
  },
  subscribe: () => {
    throw new Error('a subscription names its source by `subscribe`');
  },
};

/**
 * Builds the schema from resolvers that the composition root constructed. Each capability validates its own inputs,
 * instead of decorators: a rule stands in one place and also holds for the command line.
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
    authChecker: ({ context }: { context: RequestContext }, requirements: AuthorizationRequirement[]) =>
      tracing().span(
        'authorize',
        'internal',
        {},
        async () => (await isAuthorized?.(context, requirements)) ?? false,
      ),
    validate: false,
    // The check is a whole introspection at each start. Apollo checks the schema too, and a test prints it.
    skipCheck: true,
    pubSub: NO_TOPICS,
  });
  measureRootFields(schema);
  schema.extensions = { ...schema.extensions, [RESOLVER_OF]: resolverOf };
  return schema;
}
