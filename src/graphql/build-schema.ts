import type { GraphQLSchema } from 'graphql';
import { buildSchema as build, type ClassType, type NonEmptyArray } from 'type-graphql';
import type { AuthorizationRequirement, RequestContext } from '../platform/request/index.ts';
import type { AuthorizationChecker } from './authorization.ts';

export type ResolverClasses = Readonly<NonEmptyArray<ClassType>>;

export interface SchemaOptions {
  readonly resolvers: ResolverClasses;
  /** The one instance of each class; not needed to print the schema. */
  readonly instances?: readonly object[];
  readonly isAuthorized?: AuthorizationChecker;
}

/**
 * Builds the schema from resolvers that the composition root constructed.
 * Inputs are validated by the capability that they are for, not by decorators: a rule stands in one place, also for
 * the command line.
 */
export function buildSchema({
  resolvers,
  instances = [],
  isAuthorized,
}: SchemaOptions): Promise<GraphQLSchema> {
  const byClass = new Map<unknown, object>(instances.map((instance) => [instance.constructor, instance]));
  return build({
    resolvers: [...resolvers] as NonEmptyArray<ClassType>,
    container: {
      get(type: ClassType) {
        const instance = byClass.get(type);
        if (!instance) throw new Error(`${type.name} is not wired`);
        return instance;
      },
    },
    authChecker: async ({ context }: { context: RequestContext }, requirements: AuthorizationRequirement[]) =>
      (await isAuthorized?.(context, requirements)) ?? false,
    validate: false,
  });
}
